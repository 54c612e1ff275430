-- Transition: none. Reads one record.
-- Keys: meta. Args: key.
-- Result: the view, nil, or `corrupt`.
local key = arg()
local rec, corrupt = load(key)
if corrupt then return 'corrupt' end
return rec and view(rec) or false
