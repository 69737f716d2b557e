/** HPACK's two tables (RFC 7541 sections 2.3 and 4, appendix A). */

/** What we allow the client's encoder: the protocol's default, so no SETTINGS_HEADER_TABLE_SIZE is sent. */
export const TABLE_BYTES_MAX = 4096;
/** What an entry counts beside its octets (section 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;
export const STATIC_COUNT = 61;

/** Name, value, name, value; entry i of the standard starts at (i - 1) * 2. */
// prettier-ignore
const STATIC: readonly string[] = [
  ":authority", "", ":method", "GET", ":method", "POST", ":path", "/", ":path", "/index.html",
  ":scheme", "http", ":scheme", "https", ":status", "200", ":status", "204", ":status", "206",
  ":status", "304", ":status", "400", ":status", "404", ":status", "500", "accept-charset", "",
  "accept-encoding", "gzip, deflate", "accept-language", "", "accept-ranges", "", "accept", "",
  "access-control-allow-origin", "", "age", "", "allow", "", "authorization", "",
  "cache-control", "", "content-disposition", "", "content-encoding", "", "content-language", "",
  "content-length", "", "content-location", "", "content-range", "", "content-type", "",
  "cookie", "", "date", "", "etag", "", "expect", "", "expires", "", "from", "", "host", "",
  "if-match", "", "if-modified-since", "", "if-none-match", "", "if-range", "",
  "if-unmodified-since", "", "last-modified", "", "link", "", "location", "", "max-forwards", "",
  "proxy-authenticate", "", "proxy-authorization", "", "range", "", "referer", "", "refresh", "",
  "retry-after", "", "server", "", "set-cookie", "", "strict-transport-security", "",
  "transfer-encoding", "", "user-agent", "", "vary", "", "via", "", "www-authenticate", "",
];

export function staticName(index: number): string {
  return STATIC[(index - 1) * 2] as string;
}

export function staticValue(index: number): string {
  return STATIC[(index - 1) * 2 + 1] as string;
}

/** No more entries than this fit in TABLE_BYTES_MAX; a power of two. */
const SLOTS = TABLE_BYTES_MAX / ENTRY_OVERHEAD_BYTES;
const MASK = SLOTS - 1;

/** Newest first, evicted from the oldest end. A ring, so an insertion moves nothing. */
export class DynamicTable {
  readonly #names: string[] = Array.from<string>({ length: SLOTS }).fill("");
  readonly #values: string[] = Array.from<string>({ length: SLOTS }).fill("");
  /** Slot of the next insertion. */
  #next = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = TABLE_BYTES_MAX;

  get count(): number {
    return this.#count;
  }

  /** Sum of name, value and overhead of every entry. Invariant: <= the current maximum <= TABLE_BYTES_MAX. */
  get bytes(): number {
    return this.#bytes;
  }

  /** 0 is the newest; the caller checks against `count`. */
  name(age: number): string {
    return this.#names[(this.#next - 1 - age) & MASK] as string;
  }

  value(age: number): string {
    return this.#values[(this.#next - 1 - age) & MASK] as string;
  }

  /** An entry larger than the table empties it and is not stored (section 4.4). */
  insert(name: string, value: string): void {
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evictTo(this.#bytesMax - bytes);
    if (bytes > this.#bytesMax) return;
    this.#names[this.#next] = name;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) & MASK;
    this.#count++;
    this.#bytes += bytes;
  }

  /** A dynamic table size update; the caller has checked it against TABLE_BYTES_MAX. */
  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const slot = (this.#next - this.#count) & MASK;
      this.#bytes -=
        (this.#names[slot] as string).length +
        (this.#values[slot] as string).length +
        ENTRY_OVERHEAD_BYTES;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.#count--;
    }
  }
}
