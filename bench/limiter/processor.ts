// What the machine does in the same run, so that a figure can be told from another machine's.

import { Heap, noPlace, type Place } from '../../limiter/order/heap.ts'

/** Microseconds a call, of `count` calls. */
export function micros(count: number, call: (nth: number) => void): number {
  const startMs = performance.now()
  for (let nth = 0; nth < count; nth += 1) call(nth)
  return ((performance.now() - startMs) * 1_000) / count
}

const OPERATIONS = 50_000_000

/** Nanoseconds of a multiplication and an addition that wait for those before: 4 cycles, 1.3 at 3 GHz. */
export function nanosPerOperation(): number {
  let value = chain(OPERATIONS, 1)
  const taken = micros(1, () => {
    value = chain(OPERATIONS, value)
  })
  // Asking for the value keeps the compiler from leaving the work out.
  return Number.isInteger(value) ? (taken * 1_000) / OPERATIONS : Number.NaN
}

function chain(count: number, from: number): number {
  let value = from
  for (let nth = 0; nth < count; nth += 1) value = (Math.imul(value, 31) + nth) | 0
  return value
}

type Item = { key: number; readonly place: Place }

/** Microseconds to take the first of `size` out of a heap and put another in: the least that an ordered queue costs. */
export function heapFloor(size: number, count: number): number {
  const heap = new Heap<Item>({
    keyOf: ({ key }) => key,
    isBefore: () => false,
    placeOf: ({ place }) => place,
  })
  const keyOf = (nth: number): number => Math.imul(nth, 0x9e3779b1) >>> 2
  for (let nth = 0; nth < size; nth += 1) heap.put({ key: keyOf(nth), place: noPlace() })
  const popAndPush = (nth: number): void => {
    const first = heap.top()
    if (first !== undefined) heap.remove(first)
    heap.put({ key: keyOf(size + nth), place: noPlace() })
  }
  micros(count, popAndPush)
  return micros(count, (nth) => popAndPush(count + nth))
}
