-- Transition: none. Gives wake-ups back that a read took for a caller who is gone.
-- Keys: meta. Args: wake lists.
-- Result: nothing.
-- Twice: a list holds at most one.
for i = 1, #ARGV do wake(ARGV[i]) end
return false
