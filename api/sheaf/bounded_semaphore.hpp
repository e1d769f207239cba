#pragma once

#include <sheaf/semaphore.hpp>
