"""The same steps as scripts, for a lock that several tokens may hold at once.

In the lock's place stands an anchor, ``2 <last fence>``, so the scripts of one holder,
also those of an older version, meet a lock that they must leave alone. It ends with the
holder that ends last. The tokens of the holders are in a sorted set, by their ends in
milliseconds since 1970 of the server's clock, and their records are in a hash. All
three are a stored format, see :mod:`.scripts`. A lock that one token took with a limit
of one stays as it is until another one joins that token.

Each script takes the keys and the arguments of the script of one holder that has its
name, and then: the keys of the sorted set and of the hash, the limit as an argument.
"""

from .script import Script
from .scripts import ACQUIRE, KNOWN, LEAVE_BEHIND, RELEASE, RENEW, RESERVE

# What all of these scripts begin with.
#
# `place` is the text in the lock's place; `last` its fence if it is an anchor; `one`
# the token that holds the lock alone, `left` the milliseconds of that. Of all times,
# TIME decides, which never is behind the clock that ends keys: an anchor may stand
# when all its holders have ended, but no holder lives when the anchor has. Times are
# written by %.0f, as some servers write 1800000000000 as 1.8e+12.
BEGIN = """
local limit, records = tonumber(table.remove(ARGV)), table.remove(KEYS)
local holders, clock = table.remove(KEYS), redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function text_of(number) return string.format('%.0f', number) end
local since = text_of(now)
local place = redis.call('GET', KEYS[1])
local last = place and string.match(place, '^2 (%d+)$')
local left = place and not last and redis.call('PTTL', KEYS[1])
local fence_of_one, one
if left then fence_of_one, one = string.match(place, '^1 (%d+) (%S+)') end

local function end_of(token)
  if not last then
    return token == one and now + (left < 0 and 2^42 or left)
  end
  local score = tonumber(redis.call('ZSCORE', holders, token) or -1)
  return score >= now and score
end

local function living()
  if last then return redis.call('ZCOUNT', holders, since, '+inf') end
  return one and 1 or place and math.huge or 0
end

local function record_of(token)
  return last and (redis.call('HGET', records, token) or '') or place
end

local function first()
  if not last then return place, left end
  local found = redis.call('ZRANGEBYSCORE', holders, since, '+inf',
    'WITHSCORES', 'LIMIT', 0, 1)
  if not found[1] then return false end
  return record_of(found[1]), found[2] - now
end

local function remove(token)
  redis.call('ZREM', holders, token)
  redis.call('HDEL', records, token)
end

local function put(token, record, its_end)
  redis.call('ZADD', holders, text_of(its_end), token)
  redis.call('HSET', records, token, record)
end

local function clear() redis.call('DEL', KEYS[1], holders, records) end

-- Removes some that have ended: more than one for each that comes, but never so many
-- that others wait for it. Makes the only holder, if it is one, the first of several.
local function open()
  if last then
    local ended = redis.call('ZRANGEBYSCORE', holders, '-inf', '(' .. since,
      'LIMIT', 0, 20)
    for _, token in ipairs(ended) do remove(token) end
    return
  end
  local its_end = one and end_of(one)
  -- These end the script, which has done nothing yet, if someone else uses the names.
  local forgotten = redis.call('ZCARD', holders) + redis.call('HLEN', records)
  if forgotten > 0 then redis.call('DEL', holders, records) end
  last = fence_of_one or '0'
  if one then put(one, place, its_end) end
end

-- Ends all keys with the holder that ends last. `its_end` is that of the holder that
-- came or left; if it is not the last one, the keys end when they should.
local function close(its_end)
  local found = redis.call('ZREVRANGE', holders, 0, 0, 'WITHSCORES')
  local stop = tonumber(found[2] or -1)
  if stop < now then return clear() end
  local anchor, known = '2 ' .. last, place and string.find(place, '^2 ')
  if known and its_end < stop then
    if place ~= anchor then redis.call('SET', KEYS[1], anchor, 'KEEPTTL') end
    return
  end
  stop = text_of(stop)
  redis.call('SET', KEYS[1], anchor, 'PXAT', stop)
  redis.call('PEXPIREAT', holders, stop)
  redis.call('PEXPIREAT', records, stop)
end

local function next_fence()
  local fence = clock[1] .. string.format('%06d', clock[2])
  return text_of(math.max(tonumber(fence), tonumber(last) + 1))
end
"""

# Takes a lock to run under.
#
# A token that gives its place up makes room, whatever the limit: where this became
# less, those who wait for their messages would wait for each other. A limit of one
# stores a free lock as ACQUIRE does.
#
# Returns what ACQUIRE does; {0, ...} of the holder that ends first, or of the attempt
#   itself if it holds the lock.
ACQUIRE_SEVERAL = Script(BEGIN + KNOWN.replace("HOLDER", "first()") + """
local token, given, count = string.match(ARGV[2], '^%S+'), {}, living()
for i = 7, #ARGV do given[ARGV[i]] = end_of(ARGV[i]) or nil end
local own = end_of(token)
if own and not given[token] then
  return {0, record_of(token), math.floor(own - now), mark and 1 or 0}
end
if not next(given) and count >= limit then
  local record, rest = first()
  return {0, record, rest, mark and 1 or 0}
end
if limit > 1 or count > 0 then
  open()
  last = next_fence()
  local keep, expire = string.match(ARGV[3], '^(%a*)(%d+)$')
  local latest, stop = 0, now + expire
  for old, its_end in pairs(given) do
    remove(old)
    latest = math.max(latest, its_end)
  end
  if keep ~= '' and next(given) then stop = latest end
  if expire ~= '0' then
    put(token, ARGV[1] .. ' ' .. last .. ' ' .. ARGV[2], stop)
  end
  close(math.max(latest, stop))
  if remember ~= '0' then redis.call('SET', KEYS[2], 'admitted', 'PX', remember) end
  return mark and {1, last} or tonumber(last)
end
if last then clear() end
""" + ACQUIRE.text)

# Takes a lock for a message, which replaces none. A limit of one stores a free lock as
# RESERVE does.
#
# Returns what RESERVE does.
RESERVE_SEVERAL = Script(BEGIN + """
local token, count = string.match(ARGV[2], '^%S+'), living()
if end_of(token) then
  local fence = string.match(record_of(token), '^%d+ (%d+)')
  return {1, fence, fence}
end
if count >= limit then return {0, first()} end
if limit > 1 then
  open()
  last = next_fence()
  put(token, ARGV[1] .. ' ' .. last .. ' ' .. ARGV[2], now + ARGV[3])
  close(now + ARGV[3])
  return {1, last, last}
end
if last then clear() end
""" + RESERVE.text)

# Releases a lock, and stores what the attempt leaves behind. The lock first: a server
# that is out of memory refuses a script whose first write takes memory.
#
# Returns 1 released, 0 not held by this token.
RELEASE_SEVERAL = Script(BEGIN + "if not last then" + RELEASE.text + "end" + """
local finished, heir = ARGV[2] or '0', ARGV[3] or ''
local held = end_of(ARGV[1])
if held and heir == '' then
  remove(ARGV[1])
  close(held)
elseif held then
  local head = string.match(record_of(ARGV[1]), '^%d+ %d+ ')
  remove(ARGV[1])
  put(string.match(heir, '^%S+'), head .. heir, now + ARGV[4])
  close(math.max(held, now + ARGV[4]))
end
""" + LEAVE_BEHIND)

# Renews a lock, or takes one that vanished again if fewer than the limit hold it.
#
# Returns what RENEW does; 0 held by others.
RENEW_SEVERAL = Script(
    """
if type(redis.pcall('GET', KEYS[1])) == 'table' then return 0 end
"""
    + BEGIN
    + """
local own = end_of(ARGV[1])
if not last and (own or limit == 1) then"""
    + RENEW.text
    + """
end
if not own then
  local tombstone = redis.pcall('GET', KEYS[1] .. ':released:' .. ARGV[1])
  if type(tombstone) == 'string' then return tombstone end
  if living() >= limit then return 0 end
end
open()
if own then redis.call('ZADD', holders, text_of(now + ARGV[3]), ARGV[1])
else put(ARGV[1], ARGV[2], now + ARGV[3]) end
local fence = string.match(ARGV[2], '^%d+ (%d+)')
if tonumber(fence) > tonumber(last) then last = fence end
close(math.max(own or 0, now + ARGV[3]))
if KEYS[2] and redis.pcall('GET', KEYS[2]) ~= 'finished' then
  redis.call('SET', KEYS[2], 'admitted', 'PX', ARGV[4])
end
return own and 1 or 2
"""
)

# Returns the record and the milliseconds left of each holder, the one that ends first
# at the front; in place of the limit: how many at most, or -1 for all.
HOLDERS = Script(BEGIN + """
if not place then return {} end
if not last then return {{place, left}} end
local found = redis.call('ZRANGEBYSCORE', holders, since, '+inf', 'WITHSCORES',
  'LIMIT', 0, limit)
local all = {}
for i = 1, #found, 2 do
  all[#all + 1] = {record_of(found[i]), found[i + 1] - now}
end
return all
""")
