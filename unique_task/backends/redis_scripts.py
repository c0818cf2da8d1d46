"""The steps of a lock's life, as Redis takes them: each of them is one and whole."""

# Keys: 1 the lock, then the attempt's mark if there may be one, then the value if one
# is accepted.
# Arguments: 1 version, 2 the record behind the fence, 3 milliseconds, 4 milliseconds
# that the mark stands or 0, 5 whether a value is accepted, then the tokens of those
# that hold nothing any more.
# Returns {1, fence} taken, {2, value} not needed, {3} finished before,
# {0, record, milliseconds left, 1 if admitted before} held.
ACQUIRE = """
local mark = ARGV[4] ~= '0' and redis.call('GET', KEYS[2])
if mark == 'finished' then return {3} end
if ARGV[5] == '1' and not mark then
  local value = redis.call('GET', KEYS[#KEYS])
  if value then return {2, value} end
end
local now = redis.call('TIME')
local fence = now[1] .. string.format('%06d', now[2])
local text = ARGV[1] .. ' ' .. fence .. ' ' .. ARGV[2]
if not redis.call('SET', KEYS[1], text, 'NX', 'PX', ARGV[3]) then
  local record = redis.call('GET', KEYS[1])
  local last, token = string.match(record, '^' .. ARGV[1] .. ' (%d+) (%S+)')
  local over = false
  for i = 6, #ARGV do over = over or token == ARGV[i] end
  if not over then
    return {0, record, redis.call('PTTL', KEYS[1]), mark and 1 or 0}
  end
  fence = string.format('%.0f', math.max(tonumber(fence), tonumber(last) + 1))
  text = ARGV[1] .. ' ' .. fence .. ' ' .. ARGV[2]
  redis.call('SET', KEYS[1], text, 'PX', ARGV[3])
end
if ARGV[4] ~= '0' then redis.call('SET', KEYS[2], 'admitted', 'PX', ARGV[4]) end
return {1, fence}
"""

# Keys: 1 the lock, then the attempt's mark if it has finished, then the value if one
# is to be stored.
# Arguments: 1 token, 2 milliseconds that the mark stands or 0, then value and
# milliseconds that it stays fresh.
# Returns 1 freed, 0 not held by this token.
# Freed first: a server that is out of memory refuses a first write that takes some.
RELEASE = """
local record = redis.call('GET', KEYS[1])
local held = record and string.match(record, '^%d+ %d+ (%S+)') == ARGV[1]
if held then redis.call('DEL', KEYS[1]) end
if ARGV[2] ~= '0' then redis.call('SET', KEYS[2], 'finished', 'PX', ARGV[2]) end
if held and ARGV[3] then redis.call('SET', KEYS[#KEYS], ARGV[3], 'PX', ARGV[4]) end
return held and 1 or 0
"""

# Keys: 1 the lock, then the attempt's mark if there is one.
# Arguments: 1 token, 2 the whole record, 3 milliseconds, 4 milliseconds for the mark.
# Returns 1 renewed, 2 vanished and taken again, 0 held by another token.
# pcall: a key that is no string must not end the renewal of the others in the batch.
RENEW = """
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' then return 0 end
if record and string.match(record, '^%d+ %d+ (%S+)') ~= ARGV[1] then return 0 end
if record then redis.call('PEXPIRE', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if KEYS[2] then redis.call('SET', KEYS[2], 'admitted', 'PX', ARGV[4]) end
return record and 1 or 2
"""
