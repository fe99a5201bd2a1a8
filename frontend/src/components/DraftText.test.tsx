import { act, cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { NoteLine, Sentence, Status } from "../lib/verifiedDraft";
import { DraftText } from "./DraftText";
import { NoteLines } from "./NoteLines";
import type { Rewriting } from "./SentenceMenu";

const LINES: NoteLine[] = ["rope 22 mm", "Denzil said no"].map((text, number) => ({
  number,
  kind: "claim",
  text,
  paragraph: 0,
}));
const sentence = (id: number, text: string, status: Status, lines: number[] = []): Sentence => ({
  id,
  text,
  status,
  lines,
  alternatives: status === "supported" ? [{ text: "A rope of 22 mm.", status, lines }] : [],
});
const PARAGRAPHS = [
  [
    sentence(1, "The rope is 22 mm.", "supported", [0]),
    sentence(2, "Denzil said no.", "own_words", [1]),
    sentence(3, "The gulls agreed.", "unsupported"),
    sentence(4, "Denzil said yes.", "contradicts", [1]),
  ],
];
afterEach(cleanup);
const nextFrame = () => act(() => new Promise<void>((done) => requestAnimationFrame(() => done())));

function show(writing = false) {
  const actions = { onSwap: vi.fn(), onEdit: vi.fn(), onRemove: vi.fn(), onRewrite: vi.fn() };
  const onPoint = vi.fn();
  const text = (rewriting: Rewriting | null) => (
    <DraftText
      paragraphs={PARAGRAPHS}
      lines={LINES}
      writing={writing}
      onPoint={onPoint}
      actions={{ ...actions, busy: !!rewriting, rewriting }}
    />
  );
  const page = render(text(null));
  return {
    page,
    ...actions,
    onPoint,
    button: (name: string) => page.getByRole("button", { name }),
    setRewriting: (rewriting: Rewriting | null) => page.rerender(text(rewriting)),
  };
}

test("each mark is told in words, and all but the plain one by an icon", () => {
  const { button } = show();
  const said = (name: string) => button(name).getAttribute("aria-description");
  expect(said("The rope is 22 mm.")).toBe("From your notes: “rope 22 mm”");
  expect(said("Denzil said no.")).toBe("Your own words: “Denzil said no”");
  expect(said("The gulls agreed.")).toBe("Nothing in your notes says this");
  expect(said("Denzil said yes.")).toBe("Contradicts your notes: “Denzil said no”");
  expect(button("The rope is 22 mm.").querySelector("svg")).toBeNull();
  for (const name of ["Denzil said no.", "The gulls agreed.", "Denzil said yes."]) {
    expect(button(name).querySelector("svg")).not.toBeNull();
  }
});

test("a sentence under the pointer, or with the focus, shows its note", () => {
  const { page, button, onPoint } = show();
  fireEvent.focus(button("The rope is 22 mm."));
  expect(page.container.textContent).toContain("From your notes · rope 22 mm");
  expect(onPoint).toHaveBeenLastCalledWith(PARAGRAPHS[0][0]);
  fireEvent.blur(button("The rope is 22 mm."));
  expect(page.container.textContent).not.toContain("From your notes · rope 22 mm");
});

test("a sentence opens its alternatives and closes by Escape, which gives the focus back", async () => {
  const { page, button, onSwap, onRemove } = show();
  const first = button("The rope is 22 mm.");
  fireEvent.keyDown(first, { key: "Enter" });
  expect(first.getAttribute("aria-expanded")).toBe("true");
  const other = button("Use instead: A rope of 22 mm.");
  expect(document.activeElement).toBe(other);
  fireEvent.keyDown(other, { key: "Escape" });
  await nextFrame();
  expect(page.queryByRole("group")).toBeNull();
  expect(document.activeElement).toBe(first);
  fireEvent.click(first);
  fireEvent.click(button("Use instead: A rope of 22 mm."));
  expect(onSwap).toHaveBeenCalledWith(1, 0);
  expect(page.queryByRole("group")).toBeNull();
  fireEvent.click(button("The gulls agreed."));
  fireEvent.click(button("Remove"));
  expect(onRemove).toHaveBeenCalledWith(3);
});

test("a sentence is edited in place", () => {
  const { page, button, onEdit } = show();
  fireEvent.click(button("Denzil said no."));
  fireEvent.click(button("Edit"));
  const box = page.getByRole("textbox", { name: "Your wording" });
  expect(document.activeElement).toBe(box);
  fireEvent.change(box, { target: { value: "Denzil refused." } });
  fireEvent.click(button("Save"));
  expect(onEdit).toHaveBeenCalledWith(2, "Denzil refused.");
});

test("while the draft is coming nothing can be changed", () => {
  const { page, button } = show(true);
  fireEvent.click(button("The rope is 22 mm."));
  expect(page.queryByRole("group")).toBeNull();
});

test("each line of the notes says what became of it", () => {
  const states = new Map([
    [0, "told" as const],
    [1, "missing" as const],
  ]);
  const items = (writing: boolean) => {
    cleanup();
    const list = render(
      <NoteLines lines={LINES} states={states} dropped={new Set()} added={[]} highlighted={[0]} writing={writing} />,
    );
    return list.getAllByRole("listitem").map((item) => item.textContent);
  };
  expect(items(true)).toEqual(["rope 22 mm told", "Denzil said no not told yet"]);
  expect(items(false)).toEqual(["rope 22 mm told", "Denzil said no not told"]);
});
