/* What stands in the program's memory: structs, pools of them, and where they are. It is copied as it is; the host makes values of it. */

import type { Field } from "./rows.js";

/** Types of C, and how many bytes they take; each stands at a multiple of that. */
const SIZES = { i8: 1, u8: 1, i16: 2, u16: 2, i32: 4, u32: 4, f32: 4, i64: 8, u64: 8, f64: 8 } as const;

export type MemoryType = keyof typeof SIZES;

/** Where something stands, asked at the end of each tick. */
export type Place = () => NativePointer;

/** A function or a variable of the program, by its symbol. */
export function symbol(name: string): Place {
  return once(() => {
    const address = Process.mainModule.findSymbolByName(name) ?? Process.mainModule.findExportByName(name);
    if (address === null) {
      throw new Error(`${Process.mainModule.name} has no symbol ${name}: is it stripped, or another build?`);
    }
    return address;
  });
}

/** A function or a variable of the program, by how far it is from the program's beginning in memory. */
export function offset(bytes: number): Place {
  return once(() => Process.mainModule.base.add(bytes));
}

function once(find: Place): Place {
  let found: NativePointer | null = null;
  return () => (found ??= find());
}

/** Does what reads memory, and says of what when that fails. */
export function reading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A field of a struct. */
export interface Column {
  readonly name: string;
  readonly type: MemoryType;
  /** Bytes from the struct's beginning. */
  readonly offset: number;
}

/** Fields of a struct in the order of their offsets, and the struct's size. */
export interface Columns {
  readonly size: number;
  readonly columns: readonly Column[];
}

/** Names of a struct's fields. */
type Name<F> = string & keyof F;

/** Where each field of a struct stands. */
export class Struct<F extends Readonly<Record<string, MemoryType>>> {
  /** Bytes. */
  readonly size: number;
  private readonly columns: readonly Column[];

  /** Of a struct as C lays it out: `fields` in their order. */
  constructor(fields: F) {
    const columns: Column[] = [];
    let [end, align] = [0, 1];
    for (const [name, type] of Object.entries(fields)) {
      const size = SIZES[type];
      const offset = Math.ceil(end / size) * size;
      columns.push({ name, type, offset });
      end = offset + size;
      align = Math.max(align, size);
    }
    this.columns = columns;
    this.size = Math.ceil(end / align) * align;
  }

  /** All fields but those. */
  without(hidden: readonly Name<F>[]): Columns {
    const isHidden = (name: string) => (hidden as readonly string[]).includes(name);
    return { size: this.size, columns: this.columns.filter(({ name }) => !isHidden(name)) };
  }

  /** Some fields, in their order. */
  columnsOf(names: readonly Name<F>[]): readonly Column[] {
    return this.columns.filter(({ name }) => (names as readonly string[]).includes(name));
  }

  /** One field. */
  column(name: Name<F>): Column {
    const column = this.columns.find((of) => of.name === name);
    if (column === undefined) {
      throw new Error(`the struct has no field ${name}`);
    }
    return column;
  }
}

/** A struct whose fields are of the state. */
export interface Region extends Columns {
  readonly at: Place;
}

/** A struct whose fields are of the state: all but the hidden ones. */
export function region<F extends Readonly<Record<string, MemoryType>>>(of: {
  readonly at: Place;
  readonly struct: Struct<F>;
  readonly hidden?: readonly Name<F>[];
}): Region {
  return { at: of.at, ...of.struct.without(of.hidden ?? []) };
}

/** Slots that are taken, given up and taken again. */
export interface Pool extends Columns {
  readonly kind: string;
  readonly at: Place;
  readonly slots: number;
  readonly taken: Column | null;
  readonly same: readonly Column[];
  readonly falls: Column | null;
}

/** A pool of structs, of which entities are made: all fields but the hidden ones. */
export function pool<F extends Readonly<Record<string, MemoryType>>>(of: {
  readonly kind: string;
  readonly at: Place;
  readonly struct: Struct<F>;
  readonly slots: number;
  readonly hidden?: readonly Name<F>[];
  /** The field that is not 0 where a slot is taken; without one, all always are. */
  readonly taken?: Name<F>;
  /** Fields that never change in one life: where one has, another life has begun since the end of the tick before. */
  readonly same?: readonly Name<F>[];
  /** A field that falls by one in each tick of a life: where it has not, another life has begun. */
  readonly falls?: Name<F>;
}): Pool {
  const { kind, at, struct, slots } = of;
  const lives = {
    taken: of.taken === undefined ? null : struct.column(of.taken),
    same: struct.columnsOf(of.same ?? []),
    falls: of.falls === undefined ? null : struct.column(of.falls),
  };
  return { kind, at, slots, ...lives, ...struct.without(of.hidden ?? []) };
}

/** The fields as a layout declares them. */
export function declared(columns: readonly Column[]): readonly Field[] {
  return columns.map(({ name, type }) => ({ name, type: wireType(type) }));
}

function wireType(type: MemoryType): Field["type"] {
  switch (type) {
    case "i8":
    case "i16":
      return "i32";
    case "u8":
    case "u16":
      return "u32";
    default:
      return type;
  }
}
