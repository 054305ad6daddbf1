/** Options of `forget`. */
import { option } from "./option.ts";
import { oneOf, optional, text } from "./parsers.ts";
import { SINK } from "./sink.ts";

export const FORGET = [
  ...SINK,
  option({
    flag: "stream",
    env: ["CDC_FORGET_STREAM"],
    default: "",
    value: "NAME",
    help: "Name of the stream, as status prints it, with all its parts; by default the only one that exists",
    parse: optional(text),
  }),
  option({
    flag: "confirm",
    env: ["CDC_FORGET_CONFIRM"],
    default: "ask",
    value: "ask|never",
    help: "Ask on the terminal before anything is removed, or never",
    parse: oneOf("ask", "never"),
  }),
] as const;
