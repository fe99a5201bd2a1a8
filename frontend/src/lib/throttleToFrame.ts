/** Calls `paint` with the newest value at most once a frame. */
export function throttleToFrame<T>(paint: (value: T) => void) {
  let newest: T;
  let scheduled = false;
  const flush = () => {
    scheduled = false;
    paint(newest);
  };
  return (value: T) => {
    newest = value;
    if (scheduled) return;
    scheduled = true;
    if (document.hidden)
      setTimeout(flush, 100); // a hidden page has no frames
    else requestAnimationFrame(flush);
  };
}
