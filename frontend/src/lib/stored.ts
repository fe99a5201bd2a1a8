/** State that outlives a reload and is the same in every tab. */
import { useCallback, useEffect, useState } from "react";

const full = (name: string) => `blogtwin:${name}`;

export function read<T>(name: string, otherwise: T): T {
  try {
    return JSON.parse(localStorage.getItem(full(name)) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}
export function write(name: string, value: unknown) {
  try {
    localStorage.setItem(full(name), JSON.stringify(value));
  } catch {
    /* storage is full or forbidden: it lives until the page is left */
  }
}

export function useStored<T>(name: string, otherwise: T) {
  const [value, setValue] = useState<T>(() => read(name, otherwise));
  const change = useCallback(
    (next: T | ((before: T) => T)) =>
      setValue((before) => {
        const now = typeof next === "function" ? (next as (before: T) => T)(before) : next;
        write(name, now);
        return now;
      }),
    [name],
  );
  useEffect(() => {
    const heard = (e: StorageEvent) => e.key === full(name) && setValue(read(name, otherwise));
    addEventListener("storage", heard);
    return () => removeEventListener("storage", heard);
  }, [name]);
  return [value, change] as const;
}
