#include "CSpindle.h"
