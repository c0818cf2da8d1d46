"""The steps of a lock's life, as Redis takes them: each of them is one and whole."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoScriptError

# Keys: 1 the lock, then the attempt's mark and its record while it leaves if there may
# be one, then the generation if a later message may have taken the place of this one,
# then the value if one is accepted.
# Arguments: 1 version, 2 the record behind the fence, 3 milliseconds, 0 to free it at
# once, or "keep" in front to leave the end of a lock that is taken over. Then, unless
# none of them says anything: 4 milliseconds that the mark stands or 0, 5 fence under
# which it was reserved or 0, 6 whether a value is accepted, and the tokens from which
# it may be taken over.
# Returns {1, fence, 1 if admitted before} taken, {2, value} not needed, {3} finished
# before, {4, record or false} replaced, {0, record, milliseconds left, 1 if admitted
# before} held.
ACQUIRE = """
local once, generation = ARGV[4] or '0', tonumber(ARGV[5] or 0)
local mark = once ~= '0' and redis.call('GET', KEYS[2])
if mark == 'finished' then return {3} end
local leaving = mark and redis.call('GET', KEYS[3])
if leaving then
  local token, gone = string.match(leaving, '^%d+ %d+ (%S+)'), false
  for i = 7, #ARGV do gone = gone or token == ARGV[i] end
  if not gone then return {0, leaving, redis.call('PTTL', KEYS[3]), 1} end
end
if generation > 0 and not mark then
  local name = KEYS[once == '0' and 2 or 4]
  local latest = redis.call('GET', name)
  local fence, told = string.match(latest or '', '^(%d+) ?(%d*)$')
  if fence and tonumber(fence) > generation then
    if told == '' or tonumber(told) < generation then
      redis.call('SET', name, fence .. ' ' .. ARGV[5], 'KEEPTTL')
    end
    return {4, redis.call('GET', KEYS[1])}
  end
end
if ARGV[6] == '1' and not mark then
  local value = redis.call('GET', KEYS[#KEYS])
  if value then return {2, value} end
end
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
  local over = not record
  for i = 7, #ARGV do over = over or token == ARGV[i] end
  if not over then
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
if once ~= '0' then redis.call('SET', KEYS[2], 'admitted', 'PX', once) end
return {1, fence, mark and 1 or 0}
"""

# The generation is the fence of the last message that took the place of another, and
# after a blank the greatest fence of those that were told so. That stays when others
# take their places or give them back.
#
# Keys: 1 the lock, then the generation if there are more arguments than three, then the
# value if one is accepted.
# Arguments: 1 version, 2 the record behind the fence, 3 milliseconds. Then, if one of
# them says anything: 4 whether a later message may take the place of this one, 5
# microseconds since the first that it may take the place of, or -1, 6 milliseconds to
# remember that it did.
# Returns {1, fence, fence of the first, record and milliseconds left of the replaced
# one} reserved, {2, value} not needed, {0, record, milliseconds left} held.
RESERVE = """
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
local told = ''
local latest = ARGV[4] and redis.call('GET', KEYS[2])
if latest then
  latest, told = string.match(latest, '^(%d+)( ?%d*)$')
  latest = math.max(tonumber(latest), tonumber(told) or 0)
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
redis.call('SET', KEYS[2], fence .. told, 'PX', string.format('%.0f', known))
return {1, fence, first, record, left}
"""

# Keys: 1 the lock, 2 the generation, 3 who is to get the lock in place of this token,
# if that is to get it back, and 4 the same for the replaced one: the publish of either
# may have failed while a third one held the lock.
# Arguments: 1 token, 2 the whole record of the replaced one, 3 milliseconds.
# Returns 1 restored, or freed if the replaced one, or a later one, has arrived and was
# told so, 0 not held by this token.
# Freed first: a server that is out of memory refuses a first write that takes some.
RESTORE = """
local record = redis.call('GET', KEYS[1])
local heir, left = redis.call('GET', KEYS[4]), ARGV[3]
if heir then left = redis.call('PTTL', KEYS[4]) else heir = ARGV[2] end
if not record or string.match(record, '^%d+ %d+ (%S+)') ~= ARGV[1] then
  redis.call('SET', KEYS[3], heir, 'PX', left)
  return 0
end
redis.call('DEL', KEYS[1])
local number, latest = string.match(heir, '^%d+ (%d+)'), redis.call('GET', KEYS[2])
local told = latest and string.match(latest, ' %d+$') or ''
if latest then redis.call('SET', KEYS[2], number .. told, 'KEEPTTL') end
if told ~= '' and tonumber(told) >= tonumber(number) then return 1 end
redis.call('SET', KEYS[1], heir, 'PX', left)
return 1
"""

# Keys: 1 the lock, then the attempt's mark and its record while it leaves if it has
# finished, or leaves, then the value if one is to be stored.
# Arguments: 1 token. Then, unless none of them says anything: 2 milliseconds that the
# mark stands or 0, 3 the heir's record behind the fence or nothing, 4 milliseconds for
# it, 5 the whole record while it leaves or nothing, 6 milliseconds for it, then value
# and milliseconds that it stays fresh.
# Returns 1 freed, 0 not held by this token.
# Freed first, as above.
RELEASE = """
local record = redis.call('GET', KEYS[1])
local head, token
if record then head, token = string.match(record, '^(%d+ %d+ )(%S+)') end
local held = token == ARGV[1]
local finished, heir = ARGV[2] or '0', ARGV[3] or ''
if held then redis.call('DEL', KEYS[1]) end
if held and heir ~= '' then
  redis.call('SET', KEYS[1], head .. heir, 'PX', ARGV[4])
end
if finished ~= '0' then redis.call('SET', KEYS[2], 'finished', 'PX', finished) end
local leaving = ARGV[5] or ''
if leaving ~= '' then redis.call('SET', KEYS[3], leaving, 'PX', ARGV[6])
elseif KEYS[3] then redis.call('DEL', KEYS[3]) end
if held and ARGV[7] then redis.call('SET', KEYS[#KEYS], ARGV[7], 'PX', ARGV[8]) end
return held and 1 or 0
"""

# Keys: 1 the lock, then the attempt's mark if there is one.
# Arguments: 1 token, 2 the whole record, 3 milliseconds, 4 milliseconds for the mark.
# Returns 1 renewed, 2 vanished and taken again, 0 held by another token.
# pcall: a key that is no string must not end the renewal of the others in the batch.
# An earlier delivery of the message may have finished since; that stays known.
RENEW = """
local record = redis.pcall('GET', KEYS[1])
if type(record) == 'table' then return 0 end
if record and string.match(record, '^%d+ %d+ (%S+)') ~= ARGV[1] then return 0 end
if record then redis.call('PEXPIRE', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if KEYS[2] and redis.pcall('GET', KEYS[2]) ~= 'finished' then
  redis.call('SET', KEYS[2], 'admitted', 'PX', ARGV[4])
end
return record and 1 or 2
"""

# Keys: 1 the record of an attempt that leaves.
# Arguments: 1 that record, 2 milliseconds.
# Returns 1 renewed.
LEAVE = """
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Keys: 1 the lock.
# Returns {record or false, milliseconds left}.
GET = """
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
"""

#: A script, the number of its keys, the keys, the arguments.
Eval = Sequence[Any]


def eval_all(client: Any, evals: Sequence[Eval]) -> list[Any]:
    """Return the answers to all of them, sent at once; an error is one, too."""
    pipeline = client.pipeline(transaction=False)
    for args in evals:
        pipeline.eval(*args)
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    return answers


class Script:
    """A script that is sent by its digest, and as a whole where the server lost it."""

    def __init__(self, client: Any, text: str) -> None:
        self._client = client
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], *args: Any) -> Any:
        try:
            return self._client.evalsha(self._digest, len(keys), *keys, *args)
        except NoScriptError:
            return self._client.eval(self._text, len(keys), *keys, *args)
