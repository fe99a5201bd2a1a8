/** How long an answer should be: any length, or about so many words. */
import { LENGTHS } from "../lib/length";

type Props = { value: number; onChange: (words: number) => void };

export function LengthSelect({ value, onChange }: Props) {
  return (
    <select
      aria-label="Length"
      title="How long the answer should be. A number of your own, such as “about 300 words”, can stand in the message."
      value={value}
      onChange={(e) => onChange(Number(e.target.value))}
      className="min-h-9 max-w-32 rounded-lg bg-transparent px-1 text-sm hover:bg-soft sm:max-w-44"
    >
      <option value={0}>Any length</option>
      {LENGTHS.map((words) => (
        <option key={words} value={words}>
          {words} words
        </option>
      ))}
    </select>
  );
}
