// What the page says of the server's state: header, banner, and what there is without a key.

import { folderOf } from "./api.js";
import { now } from "./clock.js";
import { clock, count, duration, NOTHING } from "./format.js";
import { byId, write } from "./page.js";

/** @typedef {import("./api.js").Server} Server */

/** @type {Record<import("./api.js").State, [level: string, words: string]>} */
const NAMES = {
  connecting: ["wait", "Connecting"],
  ready: ["ok", "Ready"],
  full: ["warn", "Full"],
  draining: ["warn", "Draining"],
  down: ["error", "Down"],
  offline: ["error", "No connection"],
  key: ["warn", "Needs a key"],
};

/**
 * What the banner says, if there is one: its level, how it begins and goes on, and what is said of it aloud.
 * @param {Pick<Server, "state" | "since" | "retryAt" | "stats">} server
 * @param {number} moment of now()
 */
export function bannerOf({ state, since, retryAt, stats }, moment) {
  switch (state) {
    case "draining":
      return { level: "warn", head: "hashd is draining.", text: `It takes no new jobs. ${draining(stats?.pending)}` };
    case "down":
      return { level: "error", head: "hashd’s store does not work.", text: "It takes no new jobs; its operator must look." };
    case "offline": {
      const seconds = Math.ceil((retryAt - moment) / 1000);
      const again = seconds > 0 ? `Trying again in ${count(seconds)} s.` : "Trying again.";
      return { level: "error", head: "No connection to hashd", text: `since ${clock(since)}. ${again} Nothing you entered is lost.` };
    }
    default:
      return undefined;
  }
}

/** @param {number | undefined} pending */
function draining(pending) {
  if (pending === undefined) return "What it has accepted will be done, and the hashes can be collected here until it stops.";
  if (pending === 0) return "All it has accepted is done, and the hashes can be collected here until it stops.";
  if (pending === 1) return "The one it has accepted will be done, and its hash can be collected here until it stops.";
  return `The ${count(pending)} it has accepted will be done, and their hashes can be collected here until it stops.`;
}

/** What is said aloud when the state changes, once. @param {Server} server @param {boolean} wasOffline */
function alertOf(server, wasOffline) {
  const banner = bannerOf(server, now());
  if (server.state === "offline") return "No connection to hashd. Nothing you entered is lost.";
  const back = wasOffline ? "Connected to hashd again." : "";
  return [back, banner && `${banner.head} ${banner.text}`].filter(Boolean).join(" ");
}

/** Shows the server's state, anew each second. */
export class States {
  #server;
  #alert;
  #said = "connecting";
  #state = byId("state", HTMLElement);
  #stateName = /** @type {HTMLElement} */ (this.#state.querySelector("dd"));
  #version = byId("version", HTMLElement);
  #engine = byId("engine", HTMLElement);
  #up = byId("up", HTMLElement);
  #banner = byId("banner", HTMLElement);
  #bannerHead = byId("banner-head", HTMLElement);
  #bannerText = byId("banner-text", HTMLElement);
  #try = byId("try", HTMLButtonElement);

  /** @param {Server} server @param {(text: string) => void} alert says a text aloud at once */
  constructor(server, alert) {
    this.#server = server;
    this.#alert = alert;
    for (const event of ["state", "status", "stats", "answered"]) server.addEventListener(event, () => this.show());
    for (const place of document.querySelectorAll("[data-origin]")) write(place, folderOf(document.baseURI));
    this.#try.addEventListener("click", () => server.tryNow());
    setInterval(() => document.hidden || this.show(), 1000);
    this.show();
  }

  show() {
    const { state, status, up } = this.#server;
    const [level, words] = NAMES[state];
    this.#state.dataset.level = level;
    write(this.#stateName, words);
    write(this.#version, status?.version.replace(/^v(?=\d)/, "") ?? NOTHING);
    write(this.#engine, status?.engine ?? NOTHING);
    write(this.#up, up === undefined ? NOTHING : duration(Math.floor(up)));
    this.#showBanner();
    document.body.classList.toggle("offline", state === "offline");
    this.#showAccess(state === "key");
    for (const place of document.querySelectorAll("[data-delay]")) write(place, duration(this.#server.delay));
    this.#say();
  }

  #showBanner() {
    const banner = bannerOf(this.#server, now());
    const focused = this.#banner.contains(document.activeElement);
    this.#banner.hidden = !banner;
    this.#try.hidden = this.#server.state !== "offline";
    if (focused && this.#try.hidden) byId("main", HTMLElement).focus();
    if (!banner) return;
    this.#banner.dataset.level = banner.level;
    write(this.#bannerHead, banner.head);
    write(this.#bannerText, banner.text);
  }

  /** Without a key there is nothing to tell; with one that may not see the numbers, only those are missing. @param {boolean} shut */
  #showAccess(shut) {
    const blind = shut || this.#server.blind !== "";
    for (const fact of document.querySelectorAll(".fact")) /** @type {HTMLElement} */ (fact).hidden = shut;
    for (const id of ["charts", "live-sub", "lim"]) byId(id, HTMLElement).hidden = blind;
    byId("terminal", HTMLElement).hidden = shut;
    for (const part of document.querySelectorAll("[data-auth]")) /** @type {HTMLElement} */ (part).hidden = !this.#server.keyed;
    byId("empty-text", HTMLElement).hidden = shut;
    byId("empty-key", HTMLElement).hidden = !shut;
    const note = byId("nokey", HTMLElement);
    note.hidden = !blind;
    write(note, shut ? "The server’s numbers and limits show once you use a key." : `This key lacks the scope "${this.#server.blind}": the server’s numbers do not show.`);
  }

  #say() {
    const { state } = this.#server;
    if (state === this.#said) return;
    const text = alertOf(this.#server, this.#said === "offline");
    this.#said = state;
    if (text) this.#alert(text);
  }
}
