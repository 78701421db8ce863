/* Text of single values on the wire, each checked against its declared type: what is not exactly of it is refused. */

import type { Field, U64, Value } from "./rows.js";

/** A row that is not written, because a value in it breaks the contract. */
export class Refusal extends Error {}

const U64_MAX = 0xffff_ffff_ffff_ffffn;
const I64_MAX = 0x7fff_ffff_ffff_ffffn;
const I64_MIN = -0x8000_0000_0000_0000n;

/** A number with its sign: JSON.stringify would turn -0 into 0. */
function float(value: number): string {
  return value === 0 && 1 / value < 0 ? "-0.0" : `${value}`;
}

/** The text of a value of a declared type; null if it is none of that type. */
export function valueText(type: Field["type"], value: Value): string | null {
  switch (type) {
    case "f32":
      return typeof value === "number" && Math.fround(value) === value && Number.isFinite(value) ? float(value) : null;
    case "i32":
      return typeof value === "number" && (value | 0) === value && !Object.is(value, -0) ? `${value}` : null;
    case "u32":
      return typeof value === "number" && value >>> 0 === value && !Object.is(value, -0) ? `${value}` : null;
    case "bool":
      return typeof value === "boolean" ? `${value}` : null;
    case "f64":
      return typeof value === "number" && Number.isFinite(value) ? float(value) : null;
    case "u64":
      return typeof value === "string" ? wide(value, 0n, U64_MAX) : null;
    case "i64":
      return typeof value === "string" ? wide(value, I64_MIN, I64_MAX) : null;
  }
}

function wide(text: string, least: bigint, most: bigint): string | null {
  if (!/^(0|-?[1-9][0-9]{0,19})$/.test(text)) {
    return null;
  }
  const value = BigInt(text);
  return value >= least && value <= most ? `"${text}"` : null;
}

/** The text of a value of a declared type. */
export function checked(type: Field["type"], value: Value, place: string): string {
  const text = valueText(type, value);
  if (text === null) {
    throw new Refusal(`${place}: a value of type ${type} is expected, not ${String(value)}`);
  }
  return text;
}

/** The texts of declared values, as an array. */
export function list(fields: readonly Field[], values: readonly Value[], place: string): string {
  if (values.length !== fields.length) {
    throw new Refusal(`${place}: ${fields.length} values are expected, not ${values.length}`);
  }
  let out = "[";
  for (let index = 0; index < fields.length; index++) {
    const { name, type } = fields[index]!;
    const text = valueText(type, values[index]!) ?? checked(type, values[index]!, `${place}.${name}`);
    out += index === 0 ? text : "," + text;
  }
  return out + "]";
}

/** A whole number of at most 32 bits. */
export function u32(value: number, place: string): string {
  return checked("u32", value, place);
}

/** A whole number below 2^53 as one of 64 bits. */
export function u64(value: number): U64 {
  return `${value}` as U64;
}

/** A number of 64 bits, or null. */
export function u64OrNull(value: U64 | null, place: string): string {
  return value === null ? "null" : checked("u64", value, place);
}

/** Text, or a row without floats, as JSON of ASCII alone. */
export function json(value: string | object): string {
  const escape = (c: string) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0");
  return JSON.stringify(value).replace(/[\u0080-\uffff]/g, escape);
}
