<?php // the forum, read only
