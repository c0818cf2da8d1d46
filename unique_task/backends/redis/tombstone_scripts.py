"""The scripts that release the lock of another: its token does not take it again."""

from .script import Script
from .several_scripts import BEGIN

# Releases a lock, and leaves a tombstone of its token. The lock first: a server that is
# out of memory refuses a script whose first write takes memory.
#
# Keys: 1 lock; 2 tombstone; 3 leaving record of the attempt.
# Arguments: 1 token; 2 the tombstone; 3 milliseconds that it stands.
# Returns 1 released, 0 not held by this token; -1 if several hold the lock, and nothing
#   is done.
BURY = Script("""
local record, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
if record and string.find(record, '^2 %d+$') then return -1 end
local held = record and string.match(record, '^%d+ %d+ (%S+)') == ARGV[1]
if held then
  redis.call('DEL', KEYS[1])
  left = left < 0 and ARGV[3] or string.format('%.0f', math.max(left, 1))
  redis.call('SET', KEYS[3], record, 'PX', left)
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return held and 1 or 0
""")

# The same for a lock that several may hold, see :mod:`.several_scripts`.
#
# Returns 1 released, 0 not held by this token.
BURY_SEVERAL = Script(BEGIN + "if not last then" + BURY.text + "end" + """
local held, record = end_of(ARGV[1]), record_of(ARGV[1])
if held then
  remove(ARGV[1])
  close(held)
  redis.call('SET', KEYS[3], record, 'PX', text_of(math.max(held - now, 1)))
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return held and 1 or 0
""")
