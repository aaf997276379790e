// Loaded before everything else where a test moves time: the clock is ahead by the seconds in the file that CLOCK names.
import fs from "node:fs";

const Real = Date;
const now = Real.now.bind(Real);
const ahead = () => Math.round(Number(fs.readFileSync(process.env.CLOCK, "utf8") || 0) * 1000);

globalThis.Date = class extends Real {
  constructor(...given) {
    if (given.length) super(...given);
    else super(now() + ahead());
  }
  static now() { return now() + ahead(); }
};
