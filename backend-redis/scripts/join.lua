-- Transition: none. Sets the environment of a docket that has none, and, as every call, its layout.
-- Keys: meta. Args: environment (may be empty).
-- Result: the environment now, empty if there is none; the caller compares it.
-- Repeated: the same.
begin()
local ours, theirs = arg(), call('HGET', META, 'environment')
if not theirs and ours ~= '' then
  call('HSET', META, 'environment', ours)
  theirs = ours
end
return { theirs or '' }
