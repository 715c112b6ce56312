export * from "../../../../client/ts/dist/index.js";
