#include "engine/error.h"
#include "engine/sampler.h"
#include "tests/engine/grammar/vocabulary.h"
#include <gtest/gtest.h>
