<?php if ($currentUser->hasAccessTo('lhxmppchat', 'use')) : ?>
<li class="nav-item"><a class="nav-link" href="<?php echo erLhcoreClassDesign::baseurl('xmppchat/status')?>"><i class="material-icons">forum</i>XMPP chat</a></li>
<?php elseif ($currentUser->hasAccessTo('lhxmppchat', 'configure')) : ?>
<li class="nav-item"><a class="nav-link" href="<?php echo erLhcoreClassDesign::baseurl('xmppchat/settings')?>"><i class="material-icons">forum</i>XMPP chat</a></li>
<?php endif; ?>
