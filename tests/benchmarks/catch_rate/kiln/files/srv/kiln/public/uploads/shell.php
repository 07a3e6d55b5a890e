<?php // sent by somebody
