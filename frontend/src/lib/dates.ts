const DAY = 86_400_000; // ms

/** The day of a Unix time in seconds, as people call it. */
export function formatDay(seconds: number): string {
  const date = new Date(seconds * 1000);
  const daysAgo = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / DAY);
  if (daysAgo === 0) return "Today";
  if (daysAgo === 1) return "Yesterday";
  return date.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}
