// Thresholds in time.
//
// TH1  What fits once fits for ever (L2), so the first time at which it does is found by halving.

/** The first whole millisecond from `fromMs` on at which `fits` holds; it is known to hold at `untilMs`. */
export function firstTime(fromMs: number, untilMs: number, fits: (timeMs: number) => boolean): number {
  if (fits(fromMs)) return fromMs
  let [no, yes] = [fromMs, Math.max(fromMs, untilMs)]
  while (yes - no > 1) {
    const middle = no + Math.floor((yes - no) / 2)
    if (fits(middle)) yes = middle
    else no = middle
  }
  return yes
}

/** More than `size` passes in whole windows, one after the other: how many go before, and what is left of `need`. */
export function cyclesOf(need: number, size: number): { readonly cycles: number; readonly rest: number } {
  const cycles = need > size ? Math.ceil(need / Math.max(1, size)) - 1 : 0
  return { cycles, rest: need - cycles * size }
}
