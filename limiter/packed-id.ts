// Ids in the plain form: a UUID takes 22 characters instead of 36, since ids are most of what is kept.
//
// ID1  unpack(pack(id)) is the id, whatever it is; only what begins with a lower-case UUID gets shorter.

const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})/
const UUID_LENGTH = 36
const PACKED = '!'
const PACKED_LENGTH = 22
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** Two digits of 64 say three of 16. */
const [TWO, THREE] = [2, 3]

export function pack(id: string): string {
  const [uuid, ...parts] = UUID.exec(id) ?? []
  if (uuid === undefined) return id.startsWith(PACKED) ? PACKED + PACKED + id.slice(1) : id
  const hex = `${parts.join('')}0`
  let packed = PACKED
  for (let at = 0; at < hex.length; at += THREE) {
    const value = Number.parseInt(hex.slice(at, at + THREE), 16)
    packed += (DIGITS[value >> 6] ?? '') + (DIGITS[value & 63] ?? '')
  }
  return packed + id.slice(UUID_LENGTH)
}

/** Characters of the id as it is packed. */
export function packedLength(id: string): number {
  if (UUID.test(id)) return id.length - UUID_LENGTH + 1 + PACKED_LENGTH
  return id.length + (id.startsWith(PACKED) ? 1 : 0)
}

export function unpack(packed: string): string {
  if (!packed.startsWith(PACKED)) return packed
  if (packed.startsWith(PACKED, 1)) return packed.slice(1)
  let hex = ''
  for (let at = 1; at <= PACKED_LENGTH; at += TWO) {
    const value = DIGITS.indexOf(packed[at] ?? '') * 64 + DIGITS.indexOf(packed[at + 1] ?? '')
    hex += value.toString(16).padStart(THREE, '0')
  }
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)]
  return parts.join('-') + packed.slice(1 + PACKED_LENGTH)
}
