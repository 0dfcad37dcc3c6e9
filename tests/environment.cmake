# Read by ctest before it runs a test: what a caller has set for his programs is not what the tests are about. Those
# that are about it set it themselves.
unset(ENV{COPPICE_WORKERS})
unset(ENV{COPPICE_PIN})
unset(ENV{COPPICE_STALL_MS})
