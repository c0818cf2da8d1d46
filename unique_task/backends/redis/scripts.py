"""The steps of a lock's life as Lua scripts, each of which Redis runs as one step.

Workers of two versions share the keys, so what the scripts read and store is a stored
format. A change of a step needs a change of its script, of the contract above it, of
:mod:`.script_calls`, and of :mod:`..lock_steps`, which does the same for other stores.
What is stored must not change without a new :data:`..record.VERSION`.

A lock with a limit of more than one holder is stored in another form, see
:mod:`.several_scripts`. The scripts here leave it alone, and return what tells of it.
"""

from .script import Script

# What is known of an attempt before it asks for the lock; the first part of ACQUIRE.
# HOLDER stands for the record of the holder.
KNOWN = """
local remember, generation = ARGV[4] or '0', tonumber(ARGV[5] or 0)
local mark = remember ~= '0' and redis.call('GET', KEYS[2])
if mark == 'finished' then return {3} end
local leaving = mark and redis.call('GET', KEYS[3])
if leaving then
  local token, gone = string.match(leaving, '^%d+ %d+ (%S+)'), false
  for i = 7, #ARGV do gone = gone or token == ARGV[i] end
  if not gone then return {0, leaving, redis.call('PTTL', KEYS[3]), 1} end
end
if generation > 0 and not mark then
  local name = KEYS[remember == '0' and 2 or 4]
  local latest = redis.call('GET', name)
  local fence, notified = string.match(latest or '', '^(%d+) ?(%d*)$')
  if fence and tonumber(fence) > generation then
    if notified == '' or tonumber(notified) < generation then
      redis.call('SET', name, fence .. ' ' .. ARGV[5], 'KEEPTTL')
    end
    return {4, HOLDER}
  end
end
if ARGV[6] == '1' and not mark then
  local value = redis.call('GET', KEYS[#KEYS])
  if value then return {2, value} end
end
"""

# Takes a lock to run under.
#
# Keys: 1 lock; mark and leaving record of the attempt, if argument 4 is not 0;
#   generation, if argument 5 is not 0; value, if argument 6 is 1.
# Arguments: 1 version; 2 record after the fence; 3 milliseconds that the lock stands; 0
#   to release it at once; "keep" in front to keep the end of a lock that is taken over.
#   All or none of: 4 milliseconds to remember the attempt, or 0; 5 fence under which
#   the lock was reserved, or 0; 6 whether a value is accepted; 7 and more: the tokens
#   that give the lock up to this one.
# Returns the fence if acquired; {1, fence} if acquired by an attempt that got the lock
#   before; {2, value} stored; {3} finished; {4, record of the holder or false} if
#   replaced; {0, record, milliseconds left, admitted} held. admitted: 1 if the attempt
#   got the lock before.
ACQUIRE = Script(KNOWN.replace("HOLDER", "redis.call('GET', KEYS[1])") + """
local now = redis.call('TIME')
local fence = now[1] .. string.format('%06d', now[2])
local function text() return ARGV[1] .. ' ' .. fence .. ' ' .. ARGV[2] end
local keep, expire = string.match(ARGV[3], '^(%a*)(%d+)$')
local free = expire == '0'
if free or not redis.call('SET', KEYS[1], text(), 'NX', 'PX', expire) then
  local record = redis.call('GET', KEYS[1])
  local last, token
  if record then
    last, token = string.match(record, '^' .. ARGV[1] .. ' (%d+) (%S+)')
  end
  local given = not record
  for i = 7, #ARGV do given = given or token == ARGV[i] end
  if not given then
    return {0, record, redis.call('PTTL', KEYS[1]), mark and 1 or 0}
  end
  if last then
    fence = string.format('%.0f', math.max(tonumber(fence), tonumber(last) + 1))
  end
  if free then redis.call('DEL', KEYS[1])
  elseif keep ~= '' then redis.call('SET', KEYS[1], text(), 'KEEPTTL')
  else
    local own = token and token == string.match(ARGV[2], '^%S+')
    local first = own and string.match(record, ' pending %S* %S* ( %d+)$') or ''
    redis.call('SET', KEYS[1], text() .. first, 'PX', expire)
  end
end
if remember ~= '0' then redis.call('SET', KEYS[2], 'admitted', 'PX', remember) end
return mark and {1, fence} or tonumber(fence)
""")

# Takes a lock for a message.
#
# The generation holds the fence of the last message that replaced another and, after a
# blank, the greatest fence of a replaced message that was notified. The second number
# stays when other messages replace each other or give their places back.
#
# Keys: 1 lock; generation, if there are more than 3 arguments; value, if one is
#   accepted.
# Arguments: 1 version; 2 record after the fence; 3 milliseconds that the lock stands.
#   All or none of: 4 whether a later message may replace this one; 5 microseconds since
#   the first message of the chain within which this one may replace another, or -1;
#   6 milliseconds to remember the replacement.
# Returns {1, fence, fence of the first message, record and milliseconds left of the
#   replaced one, if any} reserved; {2, value} stored; {0, record, milliseconds left}
#   held.
RESERVE = Script("""
local value = KEYS[ARGV[4] and 3 or 2]
if value then
  value = redis.call('GET', value)
  if value then return {2, value} end
end
local now = redis.call('TIME')
local fence = now[1] .. string.format('%06d', now[2])
local function text(first)
  local more = ARGV[4] == '1' and ' ' .. first or ''
  return ARGV[1] .. ' ' .. fence .. ' ' .. ARGV[2] .. more
end
local notified = ''
local latest = ARGV[4] and redis.call('GET', KEYS[2])
if latest then
  latest, notified = string.match(latest, '^(%d+)( ?%d*)$')
  latest = math.max(tonumber(latest), tonumber(notified) or 0)
  fence = string.format('%.0f', math.max(tonumber(fence), latest + 1))
end
if redis.call('SET', KEYS[1], text(fence), 'NX', 'PX', ARGV[3]) then
  return {1, fence, fence}
end
local record, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
local last, token, more = string.match(
  record, '^' .. ARGV[1] .. ' (%d+) (%S+) pending (.*)$')
local first = more and string.match(more, '^%S* %S*  (%d+)$')
if token and token == string.match(ARGV[2], '%S+') then
  return {1, last, first or last}
end
local since = first and tonumber(fence) - tonumber(first)
if not first or not ARGV[5] or ARGV[5] == '-1' or since > tonumber(ARGV[5]) then
  return {0, record, left}
end
fence = string.format('%.0f', math.max(tonumber(fence), tonumber(last) + 1))
redis.call('SET', KEYS[1], text(first), 'PX', ARGV[3])
local known = math.max(left, tonumber(ARGV[3])) + tonumber(ARGV[6])
known = math.max(known, redis.call('PTTL', KEYS[2]))
redis.call('SET', KEYS[2], fence .. notified, 'PX', string.format('%.0f', known))
return {1, fence, first, record, left}
""")

# Gives a lock back to the message that this token replaced.
#
# Releases the lock first: a server that is out of memory refuses a script whose first
# write takes memory.
#
# Keys: 1 lock; 2 generation; 3 the record that gets the lock in place of this token, if
#   a later message gives it back; 4 the same in place of the replaced one: its publish
#   may have failed, too, while a third message held the lock.
# Arguments: 1 token; 2 whole record of the replaced message; 3 milliseconds.
# Returns 1 given back, or released if the replaced message or a later one was notified;
#   0 not held by this token.
RESTORE = Script("""
local record = redis.call('GET', KEYS[1])
local heir, left = redis.call('GET', KEYS[4]), ARGV[3]
if heir then left = redis.call('PTTL', KEYS[4]) else heir = ARGV[2] end
if not record or string.match(record, '^%d+ %d+ (%S+)') ~= ARGV[1] then
  redis.call('SET', KEYS[3], heir, 'PX', left)
  return 0
end
redis.call('DEL', KEYS[1])
local number, latest = string.match(heir, '^%d+ (%d+)'), redis.call('GET', KEYS[2])
local notified = latest and string.match(latest, ' %d+$') or ''
if latest then redis.call('SET', KEYS[2], number .. notified, 'KEEPTTL') end
if notified ~= '' and tonumber(notified) >= tonumber(number) then return 1 end
redis.call('SET', KEYS[1], heir, 'PX', left)
return 1
""")

# Stores what an attempt leaves behind; the last part of RELEASE.
LEAVE_BEHIND = """
if finished ~= '0' then redis.call('SET', KEYS[2], 'finished', 'PX', finished) end
local leaving = ARGV[5] or ''
if leaving ~= '' then redis.call('SET', KEYS[3], leaving, 'PX', ARGV[6])
elseif KEYS[3] then redis.call('DEL', KEYS[3]) end
if held and ARGV[7] then redis.call('SET', KEYS[#KEYS], ARGV[7], 'PX', ARGV[8]) end
return held and 1 or 0
"""

# Releases a lock, and stores what the attempt leaves behind. The lock first, as above.
#
# Keys: 1 lock; mark and leaving record of the attempt, if it has finished or is
#   leaving; value, if one is stored.
# Arguments: 1 token. All or none of: 2 milliseconds that the mark "finished" stands, or
#   0; 3 record of the heir after the fence, or empty; 4 milliseconds for it; 5 whole
#   leaving record, or empty; 6 milliseconds for it. Then, if one is stored: 7 value; 8
#   milliseconds that it is fresh.
# Returns 1 released, 0 not held by this token; -1 if several hold the lock, and nothing
#   is done.
RELEASE = Script("""
local record = redis.call('GET', KEYS[1])
local head, token
if record then head, token = string.match(record, '^(%d+ %d+ )(%S+)') end
if record and not head and string.find(record, '^2 %d+$') then return -1 end
local held = token == ARGV[1]
local finished, heir = ARGV[2] or '0', ARGV[3] or ''
if held then redis.call('DEL', KEYS[1]) end
if held and heir ~= '' then
  redis.call('SET', KEYS[1], head .. heir, 'PX', ARGV[4])
end
""" + LEAVE_BEHIND)

# Renews a lock. Only where its token does not hold it, a tombstone of that counts.
#
# pcall: a key of another type must not end the renewal of the others in the batch. A
# mark "finished" stays: an earlier delivery of the message may have finished since. The
# tombstone's name is no key of the call: while a slot of a cluster moves to another
# node, a call with a key that is missing is refused.
#
# Keys: 1 lock; 2 mark of the attempt, if it is remembered.
# Arguments: 1 token; 2 whole record; 3 milliseconds; 4 milliseconds for the mark.
# Returns 1 renewed, 2 vanished and taken again, 0 held by another token; the tombstone,
#   if there is one; -1 if several hold the lock, and nothing is done.
RENEW = Script("""
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' then return 0 end
local held = record and string.match(record, '^%d+ %d+ (%S+)') == ARGV[1]
if record and not held and string.find(record, '^2 %d+$') then return -1 end
if not held then
  local tombstone = redis.pcall('GET', KEYS[1] .. ':released:' .. ARGV[1])
  if type(tombstone) == 'string' then return tombstone end
  if record then return 0 end
end
if held then redis.call('PEXPIRE', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if KEYS[2] and redis.pcall('GET', KEYS[2]) ~= 'finished' then
  redis.call('SET', KEYS[2], 'admitted', 'PX', ARGV[4])
end
return held and 1 or 2
""")

# Renews the record of an attempt that is leaving.
#
# Keys: 1 leaving record.
# Arguments: 1 whole record; 2 milliseconds.
# Returns 1 renewed.
LEAVE = Script("""
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

# Keys: 1 lock.
# Returns {record or false, milliseconds left}.
GET = Script("""
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
""")
