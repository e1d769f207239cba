#pragma once

#include <sheaf/run.hpp>
