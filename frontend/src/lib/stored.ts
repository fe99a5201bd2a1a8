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
    if (value === "" || (Array.isArray(value) && !value.length)) localStorage.removeItem(full(name));
    else localStorage.setItem(full(name), JSON.stringify(value));
  } catch {
    /* storage is full or forbidden: it lives until the page is left */
  }
}

/** `name` may change: what was kept under the new one is taken up. */
export function useStored<T>(name: string, otherwise: T) {
  const [held, hold] = useState(() => ({ name, value: read(name, otherwise) }));
  const now = held.name === name ? held : { name, value: read(name, otherwise) };
  if (now !== held) hold(now);
  const change = useCallback(
    (next: T | ((before: T) => T)) =>
      hold((held) => {
        const before = held.name === name ? held.value : read(name, otherwise);
        const value = typeof next === "function" ? (next as (before: T) => T)(before) : next;
        write(name, value);
        return held.name === name ? { name, value } : held;
      }),
    [name],
  );
  useEffect(() => {
    const heard = (e: StorageEvent) => e.key === full(name) && hold({ name, value: read(name, otherwise) });
    addEventListener("storage", heard);
    return () => removeEventListener("storage", heard);
  }, [name]);
  return [now.value, change] as const;
}
