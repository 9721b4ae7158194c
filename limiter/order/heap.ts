// A binary heap whose items know their place, so that any of them can be moved or taken out in O(log n).
//
// H1  The top is before every other item. The order is total, so the sequence of tops never depends on history.
// H2  Keys lie beside the items, as they were when the item was put: most comparisons touch no item.

/** An item's place in one heap; -1 while it is in none. */
export type Place = { index: number }

export function noPlace(): Place {
  return { index: -1 }
}

export type Order<Item> = {
  /** The lower goes first. */
  readonly keyOf: (item: Item) => number
  /** Decides between equal keys. */
  readonly isBefore: (a: Item, b: Item) => boolean
  readonly placeOf: (item: Item) => Place
}

export class Heap<Item> {
  readonly #items: Item[] = []
  readonly #keys: number[] = []
  readonly #order: Order<Item>

  constructor(order: Order<Item>) {
    this.#order = order
  }

  get size(): number {
    return this.#items.length
  }

  top(): Item | undefined {
    return this.#items[0]
  }

  /** Adds the item, or moves it to where it belongs now. */
  put(item: Item): void {
    const { index } = this.#order.placeOf(item)
    const key = this.#order.keyOf(item)
    if (index < 0) this.#rise(item, key, this.#items.length)
    else if (!this.#rise(item, key, index)) this.#sink(item, key, index)
  }

  /** Takes the item out; nothing happens where it is not in. */
  remove(item: Item): void {
    const place = this.#order.placeOf(item)
    const { index } = place
    if (index < 0) return
    place.index = -1
    const [last, key] = [this.#items.pop(), this.#keys.pop()]
    if (last === undefined || key === undefined || last === item) return
    if (!this.#rise(last, key, index)) this.#sink(last, key, index)
  }

  /** Takes over the keys of all, which have changed without changing the order. */
  rekey(): void {
    for (const [index, item] of this.#items.entries()) this.#keys[index] = this.#order.keyOf(item)
  }

  /** Moves the item up from an index as far as it goes; true where it moved. */
  #rise(item: Item, key: number, from: number): boolean {
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      if (!this.#goesBefore(item, key, above)) break
      this.#move(above, index)
      index = above
    }
    this.#set(item, key, index)
    return index < from
  }

  #sink(item: Item, key: number, from: number): void {
    const { length } = this.#items
    let index = from
    for (;;) {
      let child = 2 * index + 1
      if (child >= length) break
      if (child + 1 < length && this.#isBefore(child + 1, child)) child += 1
      if (this.#goesBefore(item, key, child)) break
      this.#move(child, index)
      index = child
    }
    this.#set(item, key, index)
  }

  /** True where the item goes before the one at an index. */
  #goesBefore(item: Item, key: number, index: number): boolean {
    const other = this.#keys[index] ?? 0
    if (key !== other) return key < other
    const held = this.#items[index]
    return held !== undefined && this.#order.isBefore(item, held)
  }

  #isBefore(a: number, b: number): boolean {
    const item = this.#items[a]
    return item !== undefined && this.#goesBefore(item, this.#keys[a] ?? 0, b)
  }

  #move(from: number, to: number): void {
    const item = this.#items[from]
    if (item !== undefined) this.#set(item, this.#keys[from] ?? 0, to)
  }

  #set(item: Item, key: number, index: number): void {
    this.#items[index] = item
    this.#keys[index] = key
    this.#order.placeOf(item).index = index
  }
}
