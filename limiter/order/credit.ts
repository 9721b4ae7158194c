// What a guaranteed share may still grant, in parts of a unit.
//
// CD1  Of every unit granted on the resource, whoever granted it, the share's part is earned.
// CD2  While somebody waits, at least the share's part of the resource's rate is earned over time: what the limits hold
//      back for a while is made up for. It is not earned twice: what comes in by CD1 counts. The slowest of the limits
//      that count units decides; where none has a rate, time earns nothing.
// CD4  It is below zero where more was granted than was earned: in advance, to whom it would have served next. That is
//      forgotten where nobody waits any more, and where who starves is next.
// CD3  It never exceeds one request of the largest size; what is beyond goes on to the order by score.

import { multiplyDivide, multiplyDivideUp } from '../../domain/arithmetic.ts'
import { countsUnits, PARTS_PER_WHOLE, type Limit } from '../../domain/limit.ts'
import { rateOf } from '../../domain/rate.ts'

type Rate = { readonly units: number; readonly perMs: number }

export type Terms = {
  /** The share, in parts per whole. */
  readonly part: number
  /** Of the resource's slowest limit; null where none has one. */
  readonly rate: Rate | null
  /** The most that one reservation can ever take, as the share counts it. */
  readonly unitsMax: number
}

export type Credit = {
  /** Negative where more was granted than came in by CD1 (CD4). */
  parts: number
  /** Since when time is counted (CD2), and what was earned by grants since. */
  sinceMs: number
  given: number
}

export function newCredit(): Credit {
  return { parts: 0, sinceMs: 0, given: 0 }
}

/** CD1. */
export function earn(credit: Credit, units: number, { part, unitsMax }: Terms): void {
  credit.given += units * part
  credit.parts = Math.min(unitsMax * PARTS_PER_WHOLE, credit.parts + units * part)
}

export function spend(credit: Credit, units: number): void {
  credit.parts -= units * PARTS_PER_WHOLE
}

/** Somebody waits again: time counts from now on, and what was granted in advance is forgotten. */
export function startClock(credit: Credit, nowMs: number): void {
  credit.parts = Math.max(0, credit.parts)
  countFrom(credit, nowMs)
}

function countFrom(credit: Credit, nowMs: number): void {
  credit.sinceMs = nowMs
  credit.given = 0
}

/** Parts that may be granted now. */
export function creditAt(credit: Credit, terms: Terms, nowMs: number): number {
  const most = terms.unitsMax * PARTS_PER_WHOLE
  const behind = overTime(terms, nowMs - credit.sinceMs) - credit.given
  if (behind > 0 && credit.parts + behind < most) return credit.parts + behind
  if (behind > 0) credit.parts = most
  countFrom(credit, nowMs)
  return credit.parts
}

/** CD4. */
export function forgive(credit: Credit, terms: Terms, nowMs: number): void {
  const parts = creditAt(credit, terms, nowMs)
  if (parts < 0) credit.parts -= parts
}

/** When it covers so many units, if nothing is granted before; null where time earns nothing. */
export function coversAtMs(credit: Credit, terms: Terms, units: number, nowMs: number): number | null {
  const { part, rate } = terms
  if (creditAt(credit, terms, nowMs) >= units * PARTS_PER_WHOLE) return nowMs
  if (rate === null || part === 0) return null
  // From when time is counted, not from now: asked again before then, it is the same.
  const missing = units * PARTS_PER_WHOLE - credit.parts + credit.given
  return credit.sinceMs + multiplyDivideUp(missing, rate.perMs, part * rate.units)
}

function overTime({ part, rate }: Terms, forMs: number): number {
  return rate === null ? 0 : multiplyDivide(part * rate.units, forMs, 0, rate.perMs).quotient
}

/** Of the limits that count units; null where none has a rate. */
export function slowestRate(limits: readonly Limit[]): Rate | null {
  let slowest: Rate | null = null
  for (const rate of limits.filter(countsUnits).map(rateOf)) {
    if (rate !== null && (slowest === null || rate.units * slowest.perMs < slowest.units * rate.perMs))
      slowest = rate
  }
  return slowest
}
