import type { ApiError } from "../api/client";
import { Button } from "./Button";

export function ErrorAlert({ error, retry }: { error?: ApiError; retry?: () => void }) {
  if (!error) return null;
  return (
    <div
      role="alert"
      className="flex flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border border-line bg-card px-3 py-2 text-sm"
    >
      <span>
        <strong className="font-medium text-bad">{error.message}</strong> {error.hint}
      </span>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}
