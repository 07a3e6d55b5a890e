<?php // not any more
