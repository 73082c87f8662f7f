#pragma once
#include <stdint.h>
static inline uint32_t spindle_probe(void) { return 7; }
