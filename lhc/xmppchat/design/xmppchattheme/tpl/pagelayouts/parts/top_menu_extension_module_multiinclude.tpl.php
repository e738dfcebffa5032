<?php if ($currentUser->hasAccessTo('lhxmppchat', 'use') || $currentUser->hasAccessTo('lhxmppchat', 'configure')) { $hasExtensionModule = true; } ?>
