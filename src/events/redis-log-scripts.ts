/**
 * What the event log does inside Redis. Each script is about one partition, and gets its stream, its ids and its state as
 * KEYS (redis-log-layout.ts). A script of some hundred records takes about a millisecond, in which Redis does nothing else.
 */
import { redisScript } from '../redis/redis-commands.ts';
import type { RedisScript } from '../redis/redis-commands.ts';

/** Most records, and bytes of them, that one script looks at. */
export const STEP_RECORDS_MAX = 512;
const STEP_BYTES_MAX = 1024 * 1024;

/**
 * Entries as chunks. Those at or behind `next` do not count: see the layout. What a chunk says of its records may be
 * damaged, and must not take others with it: it is believed if the bytes are as it says. Else it ends where the next one
 * begins.
 */
const chunks = `
local function first_of(entry)
  return tonumber(string.match(entry[1], '^%d+')) - 1
end
local function last_from(first)
  return redis.call('XREVRANGE', KEYS[1], first + 1, '-', 'COUNT', 1)[1]
end
-- Where the next chunk begins.
local function begin_behind(offset, next)
  local entry = redis.call('XRANGE', KEYS[1], offset + 2, '+', 'COUNT', 1)[1]
  return math.min(entry and first_of(entry) or next, next)
end
local function is_whole(chunk, count)
  local at = 13
  for _ = 1, count do
    if at + 3 > #chunk then return false end
    at = at + 4 + struct.unpack('>I4', chunk, at)
  end
  return at == #chunk + 1
end
local function parts(entry, next, believe)
  local first, chunk, count = first_of(entry), entry[2][2], 1
  if #chunk >= 12 then count = math.max(1, (struct.unpack('>I4', chunk, 9))) end
  if believe or is_whole(chunk, count) then return first, math.min(count, next - first), chunk end
  return first, begin_behind(first, next) - first, chunk
end
-- First offset, number of records and bytes of the chunk that has an offset, or else of the first one behind it.
local function chunk_at(offset, next, believe)
  local entry = last_from(offset)
  if entry then
    local first, count, chunk = parts(entry, next, believe)
    -- Behind its end there may be a gap, or more records than it says.
    if first + count <= offset and believe then first, count, chunk = parts(entry, next, false) end
    if first + count > offset then return first, count, chunk end
  end
  local first = begin_behind(offset, next)
  if first < next then return parts(last_from(first), next, believe) end
  return nil
end
local function appended_ms(chunk)
  local time = #chunk >= 12 and struct.unpack('>d', chunk) or -math.huge
  if time > -math.huge and time < math.huge then return time end
  return -1e300
end
local function state(...)
  local values = redis.call('HMGET', KEYS[3], ...)
  for i = 1, #values do values[i] = tonumber(values[i] or '0') end
  return unpack(values)
end
`;

/**
 * ARGV: the time in ms, a chunk, then the id of each of its records. Leaves out the records whose ids are known, or stand
 * further ahead, and appends the others as one chunk. Returns whether the partition was new (1 or 0), then the places of
 * the records that it left out, from 0.
 */
export const appendScript: RedisScript = redisScript(`
local known = redis.call('SMISMEMBER', KEYS[2], unpack(ARGV, 3))
local fresh, doubles, seen = {}, {}, {}
for i = 1, #known do
  local id = ARGV[i + 2]
  if known[i] == 1 or seen[id] then
    doubles[#doubles + 1] = i - 1
  else
    seen[id] = i
    fresh[#fresh + 1] = id
  end
end
if #fresh == 0 then return { 0, unpack(doubles) } end
local state = redis.call('HMGET', KEYS[3], 'next', 'bytes', 'appended_ms')
local next, now = tonumber(state[1] or '0'), tonumber(ARGV[1])
local at, chunk = math.max(now, tonumber(state[3] or '-inf')), ARGV[2]
if #doubles > 0 then
  local pieces, from = { struct.pack('>dI4', at, #fresh) }, 13
  for i = 1, #known do
    local to = from + 4 + struct.unpack('>I4', chunk, from)
    if seen[ARGV[i + 2]] == i then pieces[#pieces + 1] = string.sub(chunk, from, to - 1) end
    from = to
  end
  chunk = table.concat(pieces)
elseif at ~= now then
  chunk = struct.pack('>dI4', at, #fresh) .. string.sub(chunk, 13)
end
local time = redis.call('TIME')
local id = string.format('%.0f-%s', next + 1, time[1] .. string.sub('000000' .. time[2], -6))
redis.call('XADD', KEYS[1], id, 'chunk', chunk)
redis.call('SADD', KEYS[2], unpack(fresh))
redis.call('HSET', KEYS[3], 'next', next + #fresh, 'bytes', tonumber(state[2] or '0') + #chunk, 'appended_ms', at)
return { state[1] and 0 or 1, unpack(doubles) }
`);

/**
 * ARGV: the offset to read from, the most records, about the most bytes. Returns where the chunks end, then for each its
 * first offset and its bytes. The first and the last one may have records that were not asked for. What a chunk says is
 * believed: who gets them sees whether it is true.
 */
export const readScript: RedisScript = redisScript(`${chunks}
local at, records, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next, reply = state('next'), { 0 }
while at < next and records > 0 and bytes > 0 do
  local first, count, chunk = chunk_at(at, next, true)
  if not first then
    at = next
  else
    reply[#reply + 1] = first
    reply[#reply + 1] = chunk
    records = records - (first + count - math.max(at, first))
    bytes = bytes - #chunk
    at = first + count
  end
end
reply[1] = at
return reply
`);

/** ARGV: a first offset. Returns where the chunk ends at the most. */
export const endScript: RedisScript = redisScript(`${chunks}
return begin_behind(tonumber(ARGV[1]), (state('next')))
`);

/** ARGV: a time in ms. Returns the offset of the first record that was appended then or later. */
export const searchScript: RedisScript = redisScript(`${chunks}
local begin, next = state('first', 'next')
local low, high = begin, next
while low < high do
  local middle = math.floor((low + high) / 2)
  local first, count, chunk = chunk_at(middle, next)
  if first and appended_ms(chunk) < tonumber(ARGV[1]) then low = first + count
  else high = math.min(first or middle, middle) end
end
return math.max(low, begin)
`);

/**
 * ARGV: how many records to look at, at least one chunk. Returns the first offset, the next one and the bytes of the
 * partition; then for each of its oldest chunks the first offset, the number of records, when it was appended (text),
 * and its bytes.
 */
export const headScript: RedisScript = redisScript(`${chunks}
local at, next, size = state('first', 'next', 'bytes')
local reply, records, bytes = { at, next, size }, tonumber(ARGV[1]), ${STEP_BYTES_MAX}
while at < next and records > 0 and bytes > 0 do
  local first, count, chunk = chunk_at(at, next)
  if not first then break end
  for _, value in ipairs({ first, count, string.format('%.17g', appended_ms(chunk)), #chunk }) do
    reply[#reply + 1] = value
  end
  records = records - count
  bytes = bytes - #chunk
  at = first + count
end
return reply
`);

/**
 * ARGV: the first offset, and the one to drop up to, which begins a chunk or is the next one. Returns how many records
 * were dropped: none if the first offset is another one by now. The id of a record is its third element, behind two
 * numbers (event-codec.ts).
 */
export const dropScript: RedisScript = redisScript(`${chunks}
local function id_of(record)
  local function byte(at) return string.byte(record, at) or 0 end
  local function number_end(at)
    local kind = byte(at)
    return at + (kind == 0xcb and 9 or kind == 0xca and 5 or 1)
  end
  local at = number_end(number_end(byte(1) == 0xdc and 4 or 2))
  local tag = byte(at)
  if tag >= 0xa0 and tag < 0xc0 then return string.sub(record, at + 1, at + tag - 0xa0) end
  if tag == 0xd9 then return string.sub(record, at + 2, at + 1 + byte(at + 1)) end
  if tag == 0xda then return string.sub(record, at + 3, at + 2 + byte(at + 1) * 256 + byte(at + 2)) end
  return nil
end
local function add_ids(chunk, ids)
  local at = 13
  while at + 3 <= #chunk do
    local to = at + 4 + struct.unpack('>I4', chunk, at)
    ids[#ids + 1] = id_of(string.sub(chunk, at + 4, to - 1))
    at = to
  end
end
local at, next, bytes = state('first', 'next', 'bytes')
local to, dropped, ids = math.min(tonumber(ARGV[2]), next), 0, {}
if at ~= tonumber(ARGV[1]) then return 0 end
while at < to do
  local first, count, chunk = chunk_at(at, next)
  if not first or first >= to then break end
  add_ids(chunk, ids)
  bytes = bytes - #chunk
  dropped = dropped + count
  at = first + count
end
for i = 1, #ids, 1000 do
  redis.call('SREM', KEYS[2], unpack(ids, i, math.min(i + 999, #ids)))
end
redis.call('XTRIM', KEYS[1], 'MINID', to + 1)
if redis.call('XLEN', KEYS[1]) == 0 then
  bytes = 0
  redis.call('DEL', KEYS[2])
end
redis.call('HSET', KEYS[3], 'first', to, 'bytes', math.max(0, bytes))
return dropped
`);
