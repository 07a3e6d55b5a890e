<?php // the front controller
