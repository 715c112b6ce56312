// Wires the page's parts together.

import { folderOf, Server } from "./api.js";

const server = new Server({ baseUrl: folderOf(document.baseURI) });

document.addEventListener("visibilitychange", () => server.show(!document.hidden));
addEventListener("online", () => server.tryNow());
server.show(!document.hidden);
server.start();
