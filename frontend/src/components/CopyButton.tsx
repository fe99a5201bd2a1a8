import { useState } from "react";
import { Button } from "./Button";

const SHOWN_MS = 1500;

export function CopyButton({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN_MS);
  };
  return (
    <Button variant="quiet" onClick={() => void copy()}>
      {copied ? "Copied" : "Copy"}
    </Button>
  );
}
