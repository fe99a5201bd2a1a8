/** State that survives a reload and is the same in every tab. */
import { useCallback, useEffect, useRef, useState } from "react";

const storageKey = (name: string) => `blogtwin:${name}`;

export function readStored<T>(name: string, fallback: T): T {
  try {
    return JSON.parse(localStorage.getItem(storageKey(name)) ?? "null") ?? fallback;
  } catch {
    return fallback;
  }
}

/** Empty strings and lists are removed. */
export function writeStored(name: string, value: unknown) {
  try {
    if (value === "" || (Array.isArray(value) && !value.length)) localStorage.removeItem(storageKey(name));
    else localStorage.setItem(storageKey(name), JSON.stringify(value));
  } catch {
    /* storage is full or forbidden: the value lives until the page is closed */
  }
}

/** `name` may change: the state is then what is stored under the new one. `fallback` is the first render's. */
export function useLocalStorage<T>(name: string, fallback: T) {
  const initial = useRef(fallback).current;
  const [state, setState] = useState(() => ({ name, value: readStored(name, initial) }));
  const current = state.name === name ? state : { name, value: readStored(name, initial) };
  if (current !== state) setState(current);
  const setValue = useCallback(
    (next: T | ((before: T) => T)) =>
      setState((state) => {
        // A request may end after the user has gone on to another name: it still updates its own.
        const before = state.name === name ? state.value : readStored(name, initial);
        const value = typeof next === "function" ? (next as (before: T) => T)(before) : next;
        writeStored(name, value);
        return state.name === name ? { name, value } : state;
      }),
    [name, initial],
  );
  useEffect(() => {
    const onStorage = (e: StorageEvent) => {
      if (e.key === storageKey(name)) setState({ name, value: readStored(name, initial) });
    };
    addEventListener("storage", onStorage);
    return () => removeEventListener("storage", onStorage);
  }, [name, initial]);
  return [current.value, setValue] as const;
}
