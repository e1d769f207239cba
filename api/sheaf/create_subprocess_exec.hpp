#pragma once

#include <sheaf/process.hpp>
