import { act, cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import type { Check, NoteLine, Sentence, Status } from "../lib/verifiedDraft";
import { DraftText } from "./DraftText";
import { NoteLines } from "./NoteLines";
import { OpenQuestions } from "./OpenQuestions";
import { RoomSlider } from "./RoomSlider";
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

test("a sentence that the writer changed says what the server found in it", () => {
  const edited = (check?: Check) => {
    cleanup();
    const one = { ...sentence(1, "No rope.", "edited", [0]), check };
    const page = render(<DraftText paragraphs={[[one]]} lines={LINES} writing={false} />);
    return page.getByRole("button", { name: "No rope." }).getAttribute("aria-description");
  };
  expect(edited()).toBe("Edited by you, not checked: “rope 22 mm”");
  expect(edited("supported")).toBe("Edited by you, from your notes: “rope 22 mm”");
  expect(edited("contradicts")).toBe("Edited by you, and contradicts your notes: “rope 22 mm”");
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

test("a sentence is written again, and keeps the focus while it is", () => {
  const { page, button, onRewrite, setRewriting } = show();
  fireEvent.click(button("The rope is 22 mm."));
  button("Write again").focus();
  fireEvent.click(button("Write again"));
  expect(onRewrite).toHaveBeenCalledWith(PARAGRAPHS[0][0]);
  setRewriting({ id: 1, reason: "" });
  expect(page.getByRole("status").textContent).toBe("Writing another sentence…");
  expect(document.activeElement).toBe(button("Write again"));
  fireEvent.click(button("Write again"));
  expect(onRewrite).toHaveBeenCalledTimes(1);
  setRewriting({ id: 1, reason: "None tells this." });
  expect(page.getByRole("status").textContent).toBe("None tells this.");
});

test("a paragraph offers other wordings, in which the sentence is told otherwise", () => {
  const { button, onSwap } = show();
  fireEvent.click(button("Another wording"));
  const other = button("Use instead: A rope of 22 mm.");
  expect(other.textContent).toBe("A rope of 22 mm. Denzil said no. The gulls agreed. Denzil said yes. ");
  fireEvent.click(other);
  expect(onSwap).toHaveBeenCalledWith(1, 0);
});

test("when a sentence is removed, the focus goes to the one in its place", async () => {
  const { page, button } = show();
  fireEvent.click(button("Denzil said no."));
  fireEvent.click(button("Remove"));
  const left = [[PARAGRAPHS[0][0], PARAGRAPHS[0][2]]];
  page.rerender(<DraftText paragraphs={left} lines={LINES} writing={false} />);
  await nextFrame();
  expect(document.activeElement).toBe(button("The gulls agreed."));
});

test("a text that can only be read shows its marks, and offers nothing", () => {
  const page = render(<DraftText paragraphs={PARAGRAPHS} lines={LINES} writing={false} source="text" />);
  fireEvent.click(page.getByRole("button", { name: "The rope is 22 mm." }));
  const menu = page.getByRole("group", { name: "This sentence" });
  expect(menu.textContent).toBe("From your text · rope 22 mmClose");
});

test("a question is answered by the keyboard, which goes on to the next one, and then to a new draft", () => {
  const onAnswer = vi.fn();
  const onDraftAgain = vi.fn();
  const panel = (...answered: boolean[]) => (
    <OpenQuestions
      questions={["What did it cost?", "When was it?"].map((question, n) => ({
        question,
        lines: [0],
        answered: answered[n],
      }))}
      lines={LINES}
      busy={false}
      onAnswer={onAnswer}
      onDraftAgain={onDraftAgain}
    />
  );
  const page = render(panel(false, false));
  const box = (name: RegExp) => page.getByRole("textbox", { name });
  const submit = (name: RegExp) => fireEvent.submit(box(name).closest("form") as HTMLFormElement);
  submit(/cost/);
  expect(onAnswer).not.toHaveBeenCalled();
  fireEvent.change(box(/cost/), { target: { value: "9 pounds" } });
  submit(/cost/);
  expect(onAnswer).toHaveBeenCalledWith(0, "9 pounds");
  expect(document.activeElement).toBe(box(/When/));
  page.rerender(panel(true, false));
  expect(page.queryByRole("textbox", { name: /cost/ })).toBeNull();
  fireEvent.change(box(/When/), { target: { value: "Monday" } });
  submit(/When/);
  page.rerender(panel(true, true));
  expect(document.activeElement).toBe(page.getByRole("button", { name: "Draft again" }));
});

test("the room is set by a slider that says what it means", () => {
  const onChange = vi.fn();
  const page = render(<RoomSlider value="own" onChange={onChange} />);
  const slider = page.getByRole("slider", { name: "Room" });
  expect(slider.getAttribute("aria-valuetext")).toMatch(/^own: /);
  fireEvent.change(slider, { target: { value: "2" } });
  expect(onChange).toHaveBeenCalledWith("roomy");
});

test("lines that are new since the draft, and those no longer there, are told apart", () => {
  const page = render(
    <NoteLines
      lines={LINES}
      states={new Map([[0, "told"]])}
      dropped={new Set([1])}
      added={["fitted by Denzil"]}
      highlighted={[]}
      writing={false}
    />,
  );
  const items = (name: string) => [...page.getByRole("list", { name }).children].map((item) => item.textContent);
  expect(items("Lines of your notes")).toEqual(["rope 22 mm told", "Denzil said no no longer in your notes"]);
  expect(items("New lines of your notes")).toEqual(["fitted by Denzil not told"]);
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
