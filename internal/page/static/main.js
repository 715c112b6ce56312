// Wires the page's parts together.

import { Announcer } from "./announce.js";
import { folderOf, Server } from "./api.js";
import { end } from "./cancel.js";
import { Charts } from "./charts.js";
import { Collector } from "./collect.js";
import { Form } from "./form.js";
import { Jobs } from "./jobs.js";
import { KeyField } from "./keyfield.js";
import { listen } from "./keyboard.js";
import { Limits } from "./limits.js";
import { List } from "./list.js";
import { byId } from "./page.js";
import { Rail } from "./rail.js";
import { States } from "./states.js";

/** @param {string} id */
const at = (id) => byId(id, HTMLElement);

const server = new Server({ baseUrl: folderOf(document.baseURI) });
const jobs = new Jobs();
const announcer = new Announcer(
  (text) => (at("say").textContent = text),
  (text) => (at("alert").textContent = text),
);
announcer.follow(jobs);

/* ---- Form and states ---- */

/** Where what comes next goes: a secret, lines, or the key that is missing. */
const field = () => (server.state === "key" ? at("key") : form.place);

/** Puts the focus there, or at the top if nothing can be entered. */
function rest() {
  field().focus();
  if (document.activeElement !== field()) at("main").focus();
}

const alert = (/** @type {string} */ text) => announcer.alert(text);
const form = new Form(server, (accepted) => void (accepted.count > 1 ? jobs.addBatch(accepted) : jobs.add({ id: accepted.first, ...accepted })), alert);
new KeyField(server, { alert, hide: () => form.hide(), taken: rest });
new States(server, alert);

/* ---- Jobs ---- */

const say = (/** @type {string} */ text) => announcer.say(text);
const offline = () => server.state === "offline";
const list = new List(
  jobs,
  {
    list: at("list"),
    empty: at("empty"),
    older: at("older"),
    copyAll: byId("copyall", HTMLButtonElement),
    clear: byId("clear", HTMLButtonElement),
    template: byId("row", HTMLTemplateElement),
    rest,
  },
  {
    server: () => ({ offline: offline(), engine: server.status?.engine ?? "" }),
    end: (row) => void end(row, { jobs, server, say, fail: (failed, fault) => (list.fail(failed, fault), announcer.alert(fault)) }),
    say,
  },
);
const rail = new Rail(
  jobs,
  { track: at("track"), scale: at("scale"), accepted: at("n-accepted"), waiting: at("n-waiting"), done: at("n-done") },
  offline,
);
const collector = new Collector(jobs, server);
rail.measure(server.delay);
server.addEventListener("status", () => {
  if (!server.status) return;
  jobs.delay = server.delay * 1000;
  jobs.enter(server.status.store);
  rail.measure(server.delay);
});
server.addEventListener("state", () => {
  rail.arrive();
  list.refresh();
});
listen({ help: byId("help", HTMLDialogElement), single: byId("single", HTMLInputElement), opener: at("keys"), field, list });

/* ---- Server ---- */

new Charts(server);
new Limits(server);

/* ---- Start ---- */

document.addEventListener("visibilitychange", () => {
  server.show(!document.hidden);
  collector.look();
});
addEventListener("online", () => server.tryNow());
server.show(!document.hidden);
server.start();
void collector.start();
