/** Where one writes: Enter sends, Shift+Enter is a new line, Escape stops. Files become context. */
import { type ReactNode, type RefObject, useLayoutEffect, useRef, useState } from "react";
import { type Attached, readFile } from "../lib/attach";
import { Button, Icon } from "./basic";

const TALLEST = 280; // px
const SURELY_FULL = 5_000; // characters: to measure a pasted book at each key would take seconds

type Props = { box: RefObject<HTMLTextAreaElement | null>; text: string; onText: (t: string) => void; files: Attached[]; onFiles: (f: Attached[]) => void; busy: boolean; onSend: () => void; onStop: () => void; label: string; children?: ReactNode; focus?: boolean; attach?: boolean };

export function PromptBox({ box, text, onText, files, onFiles, busy, onSend, onStop, label, children, focus, attach: attaching = true }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState("");
  useLayoutEffect(() => {
    if (!box.current) return;
    if (text.length < SURELY_FULL) box.current.style.height = "auto";
    box.current.style.height = `${text.length < SURELY_FULL ? Math.min(box.current.scrollHeight, TALLEST) : TALLEST}px`;
  }, [text, box]);
  const attach = async (some: FileList | null) => {
    setWrong("");
    const read: Attached[] = []; // a copy of the list below: the field empties its own when it is cleared
    for (const file of [...(some ?? [])]) await readFile(file).then((f) => read.push(f), (e: Error) => setWrong(e.message));
    if (read.length) onFiles([...files, ...read]);
  };
  return (
    <form className="rounded-2xl border border-line bg-card p-2 shadow-sm focus-within:border-accent" onSubmit={(e) => (e.preventDefault(), !busy && onSend())}
      onDragOver={(e) => e.preventDefault()} onDrop={(e) => (e.preventDefault(), attaching && void attach(e.dataTransfer.files))}>
      {files.length > 0 && (
        <ul className="flex flex-wrap gap-1.5 p-1">
          {files.map((f, n) => (
            <li key={n} className="flex items-center gap-1 rounded-md bg-soft py-0.5 pr-1 pl-2 text-sm">
              {f.name}
              <button type="button" aria-label={`Remove ${f.name}`} className="p-0.5" onClick={() => onFiles(files.filter((_, i) => i !== n))}><Icon name="close" size={14} /></button>
            </li>
          ))}
        </ul>
      )}
      <textarea ref={box} aria-label={label} placeholder={label} value={text} rows={2} dir="auto" autoFocus={focus} onChange={(e) => onText(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) (e.preventDefault(), !busy && onSend());
          if (e.key === "Escape" && busy) onStop();
        }}
        className="block w-full resize-none bg-transparent px-2 py-1.5 font-serif text-lg leading-relaxed outline-none" />
      {wrong && <p role="alert" className="px-2 text-sm text-bad">{wrong}</p>}
      <div className="flex flex-wrap items-center gap-x-2">
        <input ref={input} type="file" hidden multiple accept=".md,.markdown,.txt,.docx" onChange={(e) => (void attach(e.target.files), (e.target.value = ""))} />
        {attaching && <Button kind="quiet" aria-label="Attach a file" title="Attach .md, .txt or .docx as context" onClick={() => input.current?.click()}><Icon name="clip" /></Button>}
        {children}
        {busy
          ? <Button kind="main" aria-label="Stop" title="Stop (Esc)" onClick={onStop} className="ml-auto w-9 px-0!"><Icon name="stop" /></Button>
          : <Button kind="main" type="submit" aria-label="Send" title="Send (Enter)" disabled={!text.trim()} className="ml-auto w-9 px-0!"><Icon name="up" /></Button>}
      </div>
    </form>
  );
}
