/** Returns the key to show: it is asked for with each request, so that it can be replaced at any time. */
export type ApiKey = string | (() => string | Promise<string>);

/** A token as a header can have it (RFC 6750, section 2.1). */
const KEY = /^[\w.~+/-]{1,4096}=*$/;

/** Returns the key. What is none, or has a line end too many, is not sent and not shown. */
export async function keyOf(source: ApiKey): Promise<string> {
  return checked(typeof source === "string" ? source : await source());
}

/** Returns the key if it can be one. */
export function checked(key: string): string {
  if (typeof key !== "string" || !KEY.test(key)) {
    throw new TypeError("an API key is one word of letters, digits and _ - . ~ + / =");
  }
  return key;
}

const TOKEN = /hashd_[a-z0-9]{10}_[0-9A-Za-z]*/g;

/** Returns the text with each of hashd's keys in it replaced. */
export const withoutKeys = (text: string): string => text.replace(TOKEN, "hashd_…");

/** Returns the server's address. It is not shown if it is none, for there may be a secret in it. */
export function addressOf(baseUrl: string | URL): string {
  let url: URL;
  try {
    url = new URL(baseUrl, globalThis.location?.origin);
  } catch {
    throw new TypeError("baseUrl must be an http or https address"); // the platform's own error has what was given
  }
  const { href, protocol, username, password, search, hash } = url;
  if (!/^https?:$/.test(protocol) || username || password || search || hash) {
    throw new TypeError("baseUrl must be an http or https address without credentials, query and fragment");
  }
  if (withoutKeys(decoded(href)) !== decoded(href)) throw new TypeError("baseUrl must have no API key in it: give it as apiKey");
  return href.replace(/\/+$/, "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
