/** Where one types a prompt: Enter sends, Shift+Enter inserts a line break, Escape stops. Files become context. */
import { ArrowUp, Paperclip, Square, X } from "lucide-react";
import { type KeyboardEvent, type ReactNode, type RefObject, useLayoutEffect, useRef, useState } from "react";
import { type ApiError, toApiError } from "../api/client";
import { type Attachment, readAttachment } from "../lib/attachments";
import { Button } from "./Button";

const MAX_HEIGHT = 280; // px
// A text of so many characters is surely that high. To measure a pasted book at each key would take seconds.
const SURELY_FULL = 5_000;

type Props = {
  box: RefObject<HTMLTextAreaElement | null>;
  text: string;
  onText: (text: string) => void;
  files?: Attachment[];
  /** Without it, nothing can be attached. */
  onFiles?: (files: Attachment[]) => void;
  busy: boolean;
  onSend: () => void;
  onStop: () => void;
  label: string;
  /** Controls below the text. */
  children?: ReactNode;
};

export function PromptBox({ box, text, onText, files = [], onFiles, busy, onSend, onStop, label, children }: Props) {
  const fileInput = useRef<HTMLInputElement>(null);
  const [fileError, setFileError] = useState<ApiError>();
  useLayoutEffect(() => {
    if (!box.current) return;
    const isShort = text.length < SURELY_FULL;
    if (isShort) box.current.style.height = "auto"; // so that scrollHeight can shrink
    box.current.style.height = `${isShort ? Math.min(box.current.scrollHeight, MAX_HEIGHT) : MAX_HEIGHT}px`;
  }, [text, box]);

  const attach = async (chosen: File[]) => {
    setFileError(undefined);
    const read: Attachment[] = [];
    for (const file of chosen) {
      try {
        read.push(await readAttachment(file));
      } catch (e) {
        setFileError(toApiError(e));
      }
    }
    if (read.length) onFiles?.([...files, ...read]);
  };
  const send = () => {
    if (!busy) onSend();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) {
      e.preventDefault();
      send();
    }
    if (e.key === "Escape" && busy) onStop();
  };
  return (
    <form
      className="rounded-2xl border border-line bg-card p-2 shadow-sm focus-within:border-accent"
      onSubmit={(e) => {
        e.preventDefault();
        send();
      }}
      onDragOver={(e) => e.preventDefault()}
      onDrop={(e) => {
        e.preventDefault();
        if (onFiles) void attach([...e.dataTransfer.files]);
      }}
    >
      {files.length > 0 && <FileList files={files} onRemove={(file) => onFiles?.(files.filter((f) => f !== file))} />}
      <textarea
        ref={box}
        aria-label={label}
        placeholder={label}
        value={text}
        rows={2}
        dir="auto"
        // biome-ignore lint/a11y/noAutofocus: the box is what the page is for, and comes right after its heading
        autoFocus
        onChange={(e) => onText(e.target.value)}
        onKeyDown={onKeyDown}
        className="block w-full resize-none bg-transparent px-2 py-1.5 font-serif text-lg leading-relaxed outline-none"
      />
      {fileError && (
        <p role="alert" className="px-2 text-sm text-bad">
          {fileError.message} {fileError.hint}
        </p>
      )}
      <div className="flex flex-wrap items-center gap-x-2">
        {onFiles && (
          <>
            <input
              ref={fileInput}
              type="file"
              hidden
              multiple
              accept=".md,.markdown,.txt,.docx"
              onChange={(e) => {
                void attach([...(e.target.files ?? [])]);
                e.target.value = ""; // so that the same file can be chosen again
              }}
            />
            <Button
              variant="quiet"
              aria-label="Attach a file"
              title="Attach a .md, .txt or .docx file as context"
              onClick={() => fileInput.current?.click()}
            >
              <Paperclip />
            </Button>
          </>
        )}
        {children}
        {busy ? (
          <Button variant="main" aria-label="Stop" title="Stop (Esc)" onClick={onStop} className="ml-auto w-9 px-0!">
            <Square />
          </Button>
        ) : (
          <Button
            variant="main"
            type="submit"
            aria-label="Send"
            title="Send (Enter)"
            disabled={!text.trim()}
            className="ml-auto w-9 px-0!"
          >
            <ArrowUp />
          </Button>
        )}
      </div>
    </form>
  );
}

function FileList({ files, onRemove }: { files: Attachment[]; onRemove: (file: Attachment) => void }) {
  return (
    <ul className="flex flex-wrap gap-1.5 p-1">
      {files.map((file) => (
        <li
          key={`${file.name} ${file.text.length}`}
          className="flex items-center gap-1 rounded-md bg-soft py-0.5 pr-1 pl-2 text-sm"
        >
          {file.name}
          <button type="button" aria-label={`Remove ${file.name}`} className="p-0.5" onClick={() => onRemove(file)}>
            <X className="size-3.5" />
          </button>
        </li>
      ))}
    </ul>
  );
}
