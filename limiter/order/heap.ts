// A binary heap whose items know their place, so that any of them can be moved or taken out in O(log n).
//
// H1  The top is before every other item. `before` is a total order, so the sequence of tops never depends on history.

/** An item's place in one heap; -1 while it is in none. */
export type Place = { index: number }

export function noPlace(): Place {
  return { index: -1 }
}

export class Heap<Item> {
  readonly #items: Item[] = []
  readonly #before: (a: Item, b: Item) => boolean
  readonly #placeOf: (item: Item) => Place

  constructor(before: (a: Item, b: Item) => boolean, placeOf: (item: Item) => Place) {
    this.#before = before
    this.#placeOf = placeOf
  }

  get size(): number {
    return this.#items.length
  }

  top(): Item | undefined {
    return this.#items[0]
  }

  /** Adds the item, or moves it to where it belongs now. */
  put(item: Item): void {
    const place = this.#placeOf(item)
    if (place.index < 0) {
      place.index = this.#items.length
      this.#items.push(item)
    }
    this.#rise(place.index)
    this.#sink(place.index)
  }

  /** Takes the item out; nothing happens where it is not in. */
  remove(item: Item): void {
    const { index } = this.#placeOf(item)
    if (index < 0) return
    this.#placeOf(item).index = -1
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    this.#items[index] = last
    this.#placeOf(last).index = index
    this.#rise(index)
    this.#sink(this.#placeOf(last).index)
  }

  #rise(from: number): void {
    let index = from
    while (index > 0 && this.#swapIfBefore(index, (index - 1) >> 1)) index = (index - 1) >> 1
  }

  #sink(from: number): void {
    let index = from
    for (;;) {
      const left = 2 * index + 1
      const [a, b] = [this.#items[left], this.#items[left + 1]]
      if (a === undefined) return
      const child = b !== undefined && this.#before(b, a) ? left + 1 : left
      if (!this.#swapIfBefore(child, index)) return
      index = child
    }
  }

  #swapIfBefore(lower: number, upper: number): boolean {
    const [a, b] = [this.#items[lower], this.#items[upper]]
    if (a === undefined || b === undefined || !this.#before(a, b)) return false
    this.#items[lower] = b
    this.#items[upper] = a
    this.#placeOf(b).index = lower
    this.#placeOf(a).index = upper
    return true
  }
}
