#pragma once

#include <sheaf/queue.hpp>
