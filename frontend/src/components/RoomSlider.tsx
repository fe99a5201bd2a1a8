/** How much a draft may say around the notes. */
import type { Settings } from "../lib/settings";

export const ROOMS = ["tight", "own", "roomy"] as const;
const MEANINGS: Record<Settings["room"], string> = {
  tight: "few words beside your notes",
  own: "about as many words as usual",
  roomy: "more words around each note",
};

type Props = { value: Settings["room"]; disabled?: boolean; onChange: (room: Settings["room"]) => void };

export function RoomSlider({ value, disabled = false, onChange }: Props) {
  return (
    <label className="flex items-center gap-2 text-sm text-muted" title={`${value}: ${MEANINGS[value]}`}>
      <span>Room</span>
      <span className="flex w-32 flex-col">
        <input
          type="range"
          aria-label="Room"
          aria-valuetext={`${value}: ${MEANINGS[value]}`}
          min={0}
          max={ROOMS.length - 1}
          step={1}
          disabled={disabled}
          value={ROOMS.indexOf(value)}
          onChange={(e) => onChange(ROOMS[Number(e.target.value)])}
        />
        <span aria-hidden="true" className="flex justify-between text-xs">
          {ROOMS.map((room) => (
            <span key={room} className={room === value ? "font-medium text-ink" : ""}>
              {room}
            </span>
          ))}
        </span>
      </span>
    </label>
  );
}
