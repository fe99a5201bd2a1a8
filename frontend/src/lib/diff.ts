/** Word-level difference of two texts. */
export type Piece = { kind: "same" | "new" | "gone"; text: string };

const split = (text: string) => text.match(/\s+|[\p{L}\p{N}’']+|[^\s\p{L}\p{N}]/gu) ?? [];
const LIMIT = 4e6; // cells of the table; longer texts are shown as wholly changed

/** Pieces whose `same` and `new` make `after`, and whose `same` and `gone` make `before`. */
export function diff(before: string, after: string): Piece[] {
  const [a, b] = [split(before), split(after)];
  if (a.length * b.length > LIMIT) return [{ kind: "gone", text: before }, { kind: "new", text: after }];
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] = a[i] === b[j] ? longest[(i + 1) * width + j + 1] + 1 : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const pieces: Piece[] = [];
  const add = (kind: Piece["kind"], text: string) => {
    const last = pieces.at(-1);
    if (last?.kind === kind) last.text += text;
    else pieces.push({ kind, text });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) add("same", (j++, a[i++]));
    else if (i < a.length && (j === b.length || longest[(i + 1) * width + j] >= longest[i * width + j + 1])) add("gone", a[i++]);
    else add("new", b[j++]);
  }
  return merged(pieces);
}

/** Changes that only white space parts are one change: phrases are read more easily than words that hop. */
function merged(pieces: Piece[]): Piece[] {
  const found: Piece[] = [];
  let [gone, fresh] = ["", ""];
  const flush = () => {
    if (gone) found.push({ kind: "gone", text: gone });
    if (fresh) found.push({ kind: "new", text: fresh });
    [gone, fresh] = ["", ""];
  };
  pieces.forEach((p, n) => {
    const between = p.kind === "same" && !p.text.trim() && (gone || fresh) && n < pieces.length - 1;
    if (p.kind === "same" && !between) (flush(), found.push(p));
    if (p.kind === "gone" || between) gone += p.text;
    if (p.kind === "new" || between) fresh += p.text;
  });
  flush();
  return found;
}
