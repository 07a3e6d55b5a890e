<?php // what the real one would run
