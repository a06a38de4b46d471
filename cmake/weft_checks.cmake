# What a machine can hold about the repository is held as tests beside the unit tests.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
