import Spindle
let p = Probe()
print(p.bump())
