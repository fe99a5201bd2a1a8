/** Uploads posts as a new corpus, and reports whether they are enough to train on. */
import { useRef, useState } from "react";
import { authHeaders, type Schemas, throwIfFailed } from "../api/client";
import { useAbortable } from "../lib/hooks";
import { Button } from "./Button";
import { ErrorAlert } from "./ErrorAlert";
import { FIELD_CLASS, Field } from "./Field";

type Report = Schemas["Readiness"];
const MAX_SKIPPED_SHOWN = 50;

/** `formats`: the endings that the server reads, such as ".md". */
export function UploadForm({ formats, onUploaded }: { formats: string[]; onUploaded: (name: string) => void }) {
  const [name, setName] = useState("");
  const [report, setReport] = useState<Report>();
  const fileInput = useRef<HTMLInputElement>(null);
  const { busy, error, run } = useAbortable();
  const upload = () =>
    run(async (signal) => {
      const form = new FormData();
      form.set("name", name);
      for (const file of fileInput.current?.files ?? []) form.append("files", file);
      const response = await fetch("/api/corpus", { method: "POST", body: form, signal, headers: authHeaders() });
      await throwIfFailed(response);
      setReport(await response.json());
      onUploaded(name);
    });
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(e) => {
        e.preventDefault();
        void upload();
      }}
    >
      <div className="flex flex-wrap items-end gap-3">
        <Field label="Blog name">
          <input
            className={FIELD_CLASS}
            required
            pattern="[a-z0-9][a-z0-9\-]{0,39}"
            title="Lowercase letters, digits and hyphens"
            placeholder="lowercase, digits, hyphens"
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
        </Field>
        <Field label="Posts, or an export (.zip, .xml, .json, .mbox, …)">
          <input
            ref={fileInput}
            className={`${FIELD_CLASS} max-w-72`}
            type="file"
            required
            multiple
            accept={formats.join(",")}
          />
        </Field>
        <Button type="submit" disabled={busy}>
          {busy ? "Reading…" : "Upload"}
        </Button>
      </div>
      <ErrorAlert error={error} />
      {report && <UploadReport report={report} />}
    </form>
  );
}

function UploadReport({ report }: { report: Report }) {
  const dates = report.first ? `, ${report.first} to ${report.last}` : "";
  return (
    <div role="status" className="rounded-lg bg-soft px-4 py-3 text-sm">
      <p>
        <strong className="font-medium">{report.ready ? "Ready to train." : "Not enough posts yet."}</strong>{" "}
        {report.posts} posts, {report.words.toLocaleString()} words{dates}. {report.discarded.length} skipped.
      </p>
      {report.advice.map((sentence) => (
        <p key={sentence}>{sentence}</p>
      ))}
      {report.discarded.length > 0 && (
        <details>
          <summary>Skipped files</summary>
          <ul>
            {report.discarded.slice(0, MAX_SKIPPED_SHOWN).map(({ source, reason }) => (
              <li key={`${source} ${reason}`}>
                {source}: {reason}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
